"""The checks: each measures one family of symptoms. One file a family; `melior checks` lists what is here."""
