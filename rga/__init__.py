"""Relation-aware global attention for person re-identification: the paper's networks, trained, measured and seen."""

import importlib

from rga import data, losses, metrics, models, schedule, search
from rga.capture import capture
from rga.engine import Embeddings, Evaluation, Log, embed, evaluate, fit

__version__ = "0.1.0"

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
    "schedule",
    "search",
]

LATER = {"allocation", "export", "gradcam", "plot", "recipes", "runs"}  # loaded when somebody asks for them


def __getattr__(name: str):
    if name in LATER:
        return importlib.import_module(f"rga.{name}")
    raise AttributeError(f"module 'rga' has no attribute {name!r}")
