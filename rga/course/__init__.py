"""The notebooks' helpers and exercises."""
