"""The methods: what treats a symptom. One file a method; `melior methods` lists what is here."""
