"""Rows in: reading, column kinds, splits, and the Table that everything else works on."""
