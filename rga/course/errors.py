"""How the course shows an exception to a reader: its type and its message, without a traceback."""


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
