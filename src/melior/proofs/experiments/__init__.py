"""One file an answer: on which rows it should help, and on which it should not."""
