"""Columns to matrices: steps that learn from training rows and are kept with the predictor."""
