"""What can be said of texts alone, on columns and arrays: shingles, and which texts are near copies of one another."""
