"""What can be said of texts alone, on columns and arrays: languages, garbled letters, passages, near copies."""
