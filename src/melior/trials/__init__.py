"""Trials: fit one recipe on one fold, score it, compare it with others, judge."""
