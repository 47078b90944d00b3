"""A run from its recipe to its report: `recipe` holds the settings, `run` trains, tests and reports."""

from rga.runs.run import has_test_people, report, scored, test, train

__all__ = ["has_test_people", "report", "scored", "test", "train"]
