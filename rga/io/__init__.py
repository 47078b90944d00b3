"""Files: written whole or not at all, where they lie, and what a number needs beside it."""
