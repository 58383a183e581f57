"""What can be said of texts alone, on columns and arrays."""
