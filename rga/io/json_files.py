"""JSON files, written atomically: arrays and tensors become lists, paths text."""

import json
from pathlib import Path

import numpy as np
import torch

from rga.io.atomic_write import atomic_write


def write_json(path: str | Path, value) -> Path:
    """Write value as JSON, atomically; arrays and tensors become lists, paths text. Returns path."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=plain) + "\n"
    with atomic_write(path) as partial:
        # File names that are no text hold characters that UTF-8 lacks: as \udcff they are JSON.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def plain(value):
    """A value that JSON lacks as one that it has, for `json.dumps(default=…)`."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"write_json cannot write a {type(value).__name__}.")
