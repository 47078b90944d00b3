"""What the notebooks share, and their exercises."""
