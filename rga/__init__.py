"""Relation-aware global attention for person re-identification: the paper's networks, trained, measured and seen.

What is public, and promised to stay, is listed in docs/api/public_names.json; docs/api explains it by examples.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from rga import old_names
from rga.version import __version__ as __version__

if TYPE_CHECKING:  # what editors and type checkers read
    from rga import data, metrics, models, runs, search
    from rga.evaluation import Embeddings, Evaluation, embed, evaluate
    from rga.models.hooks import capture
    from rga.training import losses
    from rga.training import lr_schedule as schedule
    from rga.training.log import Log
    from rga.training.loop import fit

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

# Modules are imported when they are first used: PyTorch takes seconds, and the processes that draw people and --help
# do without it.
DEFINED_IN = {
    "Embeddings": "rga.evaluation",
    "Evaluation": "rga.evaluation",
    "Log": "rga.training.log",
    "capture": "rga.models.hooks",
    "embed": "rga.evaluation",
    "evaluate": "rga.evaluation",
    "fit": "rga.training.loop",
}


def __getattr__(name: str):
    """A public name or a module of this package, imported now (PEP 562)."""
    if name in DEFINED_IN:
        value = getattr(import_module(DEFINED_IN[name]), name)
    else:
        path = f"rga.{name}"
        try:
            value = import_module(old_names.MOVED.get(path, path))
        except ModuleNotFoundError as error:
            if error.name != path:  # a package that a module needs is missing
                raise
            raise AttributeError(f"module 'rga' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
