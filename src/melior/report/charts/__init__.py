"""Our own small charts: pure functions from numbers to a string of SVG, one file a kind."""
