"""The families of models. One file a family; `melior models` lists what is here."""
