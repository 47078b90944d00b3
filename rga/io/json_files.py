"""JSON files, read with one clear error and written atomically: arrays and tensors become lists, paths text."""

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


def read_json(path: str | Path, expected: str, kind: type = dict):
    """The value in a JSON file. expected: what it should be, in words; kind: dict or list.

    Raises FileNotFoundError if there is no such file, ValueError if it is not JSON or of another kind.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"expected {expected} in {path}, got a file that is cut short, or no JSON ({error}): restore it, or remove "
            "it."
        ) from error
    if not isinstance(value, kind):
        raise ValueError(
            f"expected {expected} in {path}, got a {type(value).__name__}: restore it, or remove it."
        )
    return value


def plain(value):
    """A value that JSON lacks as one that it has, for `json.dumps(default=…)`."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"write_json cannot write a {type(value).__name__}.")
