"""A run from its recipe to its report: `recipes` are the settings, `run` trains, tests and reports."""


def __getattr__(name: str):
    # Loaded when asked for: a report has figures, and a recipe alone should not have to import matplotlib.
    if name in ("train", "test", "report", "scored"):
        from rga.runs import run

        return getattr(run, name)
    raise AttributeError(f"module 'rga.runs' has no attribute {name!r}")
