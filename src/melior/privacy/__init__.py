"""Personal data in texts: where a name, a number that belongs to a person, or an address stands.

Each family of kinds has a file of its own with a function `find(texts, tally)`; `columns.personal_spans` puts them
together for one column and drops what chance explains.
"""
