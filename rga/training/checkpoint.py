"""Checkpoints: a network, and all that a run needs to resume, in one file that is written atomically."""

import glob
import inspect
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rga.io.atomic_write import atomic_write
from rga.models import ATTENTION, STAGES, ReIDModel, create_model
from rga.models.backbones import is_timm
from rga.models.reid import by_hand
from rga.models.weights_files import differences, safe_load

__all__ = ["kept", "load_model", "load_training", "restore", "save"]

FORMAT = 1


def save(path: str | Path, model: ReIDModel, *, keep: int = 1, step: int = 0, **training: Any) -> None:
    """Save the model, and what else a run needs to resume, to `path`; a crash or power cut leaves the previous file.

    Args:
        path: the file, whose folder is made; one process writes it.
        model: saved as its configuration and state dict.
        keep: above 1, the file has a second name as well, PATH-STEP, and the `keep` files with the highest steps stay;
            those of later steps, which another run left, are removed.
        step: the number in that name.
        **training: state dicts, numbers and lists, returned by `restore`.
    """
    path = Path(path)
    content = {"format": FORMAT, "config": model.config, "model": model.state_dict(), "training": training}
    with (
        atomic_write(path, temporary=path.with_name(f".{path.name}.part")) as temporary,
        temporary.open("wb") as file,
    ):
        torch.save(content, file)
    if keep > 1:
        named = path.with_stem(f"{path.stem}-{step:07d}")
        _link(path, named)
        files = kept(path)
        own = files.index(named) + 1
        # Later steps are those of an earlier run in this folder, whose PATH is gone already.
        for other in [*files[:own][:-keep], *files[own:]]:
            other.unlink()


def kept(path: str | Path) -> list[Path]:
    """The checkpoints that `save` left beside `path` under their steps, the oldest first."""
    path = Path(path)
    return sorted(path.parent.glob(f"{glob.escape(path.stem)}-{'[0-9]' * 7}{glob.escape(path.suffix)}"))


def _link(file: Path, name: Path) -> None:
    """A hard link, which takes no room; a copy where the file system has no hard links."""
    name.unlink(missing_ok=True)
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)


def load_model(path: str | Path, model: ReIDModel | None = None) -> ReIDModel:
    """The network in a checkpoint, rebuilt from its configuration, on the CPU, in eval mode.

    Args:
        path: of the checkpoint.
        model: a network built by hand as the saved one was, which its configuration does not describe; it is loaded
            in place and returned.

    Raises:
        ValueError: for a network built by hand where no model is given, and for a model of another network.
    """
    if model is not None:
        restore(path, model)
        return model.eval()
    content = _read(Path(path))
    config = dict(content["config"])
    described = config.pop("weights", "as given")
    unknown = [f"{key} {config[key]!r}" for key in config.keys() - inspect.signature(create_model).parameters]
    unknown += [f"no {key}" for key in ("num_pids", "size") if key not in config]
    for key, choices in (("backbone", STAGES), ("attention", ATTENTION)):
        if config.get(key) not in choices and not (key == "backbone" and is_timm(config.get(key))):
            unknown.append(f"{key} {config.get(key)!r}")
    if unknown:
        raise ValueError(by_hand(path, f" ({', '.join(unknown)})"))
    try:  # on no device at first: a broken configuration may ask for more memory than there is
        with torch.device("meta"):
            expected = create_model(**config | {"size": tuple(config["size"])}).state_dict()
    except Exception as error:  # whatever impossible values lead to
        raise ValueError(by_hand(path, f" or changed by hand ({error})")) from error
    if wrong := differences(content["model"], expected):
        raise ValueError(by_hand(path, f" or changed by hand ({wrong})"))
    model = create_model(**config | {"size": tuple(config["size"])})
    model.load_state_dict(content["model"])
    model.config["weights"] = described
    return model.eval()


def load_training(path: str | Path) -> dict[str, Any]:
    """What was saved beside the network (`training` of `save`); tensors are read from the file when they are used."""
    return _read(Path(path), mmap=True)["training"]


def restore(
    path: str | Path, model: ReIDModel, check: Callable[[dict[str, Any]], None] = lambda training: None
) -> dict[str, Any]:
    """Load a checkpoint into `model`, in place; returns what was saved beside it (`training` of `save`).

    check: called with that before anything is loaded, and may raise. Raises ValueError, and changes nothing, for a
    checkpoint of another network.
    """
    content = _read(Path(path))
    differs = [
        f"{key} {content['config'].get(key)!r} there, {value!r} here"
        for key, value in model.config.items()
        if key != "weights" and content["config"].get(key) != value
    ]
    if wrong := differences(content["model"], model.state_dict()):
        differs.append(wrong)
    if differs:
        raise ValueError(
            f"{path} is a checkpoint of another network: {'; '.join(differs)}. Build the network as it was "
            "(rga.checkpoint.load_model does), or choose another file."
        )
    check(content["training"])
    model.load_state_dict(content["model"])
    model.config["weights"] = content["config"]["weights"]
    return content["training"]


def _read(path: Path, mmap: bool = False) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a checkpoint at {path}, found none: check the path, or train first."
        )
    content = safe_load(path, "a checkpoint written by rga", mmap)
    parts = [content.get(key) for key in ("config", "model", "training")] if isinstance(content, dict) else []
    if not parts or content.get("format") != FORMAT or not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            f"expected a checkpoint written by rga (format {FORMAT}) in {path}, got something else. A state dict of "
            "the released code is read by rga.models.load_released, one of a backbone by create_model(weights=…)."
        )
    return content
