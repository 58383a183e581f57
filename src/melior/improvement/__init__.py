"""Improve: find what is wrong, try what treats it, keep what provably helps."""
