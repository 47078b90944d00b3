"""Keep a network, and a run that can go on, in one file that is either whole or not there."""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from rga.models import ReIDModel, create_model

FORMAT = 1


def save(path: str | Path, model: ReIDModel, **training: Any) -> None:
    """Write the model and whatever else a run needs to go on (state dicts, numbers, lists) to `path`.

    The file is written under a temporary name and renamed, so a crash leaves the previous one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, "config": model.config, "model": model.state_dict(), "training": training}
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(content, file)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def load_model(path: str | Path) -> ReIDModel:
    """The network in a checkpoint, built anew from its configuration, on the CPU, in eval mode."""
    content = _read(Path(path))
    config = dict(content["config"])
    described = config.pop("weights")
    model = create_model(**config | {"size": tuple(config["size"])})
    model.load_state_dict(content["model"])
    model.config["weights"] = described
    return model.eval()


def restore(path: str | Path, model: ReIDModel) -> dict[str, Any]:
    """Load a checkpoint into `model`, in place; returns what was saved beside it (`training` of `save`).

    Raises ValueError, and changes nothing, for a checkpoint of another network.
    """
    content = _read(Path(path))
    differs = [
        f"{key} {content['config'].get(key)!r} there, {value!r} here"
        for key, value in model.config.items()
        if key != "weights" and content["config"].get(key) != value
    ]
    if differs:
        raise ValueError(
            f"{path} is a checkpoint of another network: {'; '.join(differs)}. Build the network as it was "
            "(rga.checkpoint.load_model does), or choose another file."
        )
    model.load_state_dict(content["model"])
    model.config["weights"] = content["config"]["weights"]
    return content["training"]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a checkpoint at {path}, found none: check the path, or train first."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is truncated or not its own
        # Not torch's own message: it recommends to load what may run any code.
        raise ValueError(
            f"expected a checkpoint written by rga in {path}, could not read it ({type(error).__name__}): the file is "
            "cut short or another one. Copy it again."
        ) from error
    if not (isinstance(content, dict) and content.get("format") == FORMAT):
        raise ValueError(
            f"expected a checkpoint written by rga (format {FORMAT}) in {path}, got something else. A state dict of "
            "the released code is read by rga.models.load_released, one of a backbone by create_model(weights=…)."
        )
    return content
