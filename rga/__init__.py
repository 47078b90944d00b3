"""Relation-aware global attention for person re-identification: the paper's networks, trained, measured and seen.

What is public, and promised to stay, is listed in docs/api/public_names.json; docs/api explains it by examples.
"""

import importlib

from rga import data, metrics, models, old_names, runs, search
from rga.evaluation import Embeddings, Evaluation, embed, evaluate
from rga.models.hooks import capture
from rga.training import losses
from rga.training import lr_schedule as schedule
from rga.training.log import Log
from rga.training.loop import fit
from rga.version import __version__ as __version__

__all__ = [
    "Embeddings",
    "Evaluation",
    "Log",
    "capture",
    "data",
    "embed",
    "evaluate",
    "fit",
    "losses",
    "metrics",
    "models",
    "runs",
    "schedule",
    "search",
]

LATER = {"export", "plot"}  # loaded when somebody asks for them: plot needs matplotlib


def __getattr__(name: str):
    if name in LATER or f"rga.{name}" in old_names.MOVED:
        return importlib.import_module(f"rga.{name}")
    raise AttributeError(f"module 'rga' has no attribute {name!r}")
