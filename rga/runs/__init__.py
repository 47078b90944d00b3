"""A run from its recipe to its report: `recipe` holds the settings, `run` trains, tests and reports."""

from rga.runs.run import report, scored, test, train

__all__ = ["report", "scored", "test", "train"]
