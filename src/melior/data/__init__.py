"""Rows in: reading, column kinds, splits, and the Table that everything else works on.

`read` makes a Table of a file or of a table in memory, `read_like` reads new rows as it did, `seal` and `folds` put
rows apart, `describe` says what the columns are.
"""
