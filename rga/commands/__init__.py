"""The commands of python -m rga: each is two functions, one that says what it takes and one that does it."""
