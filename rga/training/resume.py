"""A run that can be stopped and resumed: what its checkpoint holds beside the network, and how that is restored."""

import hashlib
import logging
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga.data.samples import Splits, TrainSample
from rga.device import distributed
from rga.models import ReIDModel
from rga.models.weights_files import differences
from rga.training import checkpoint
from rga.training.checks import check_weights
from rga.training.log import Log
from rga.training.rng_state import get_rng_state

logger = logging.getLogger(__name__)

# Other batches are another run; whatever else has changed is only said.
SAME_BATCHES = ("p", "k", "every_image", "images", "samples")


@dataclass
class TrainingState:
    """Everything that decides how a run goes on, beside random numbers and logs."""

    model: ReIDModel
    optimizer: Optimizer
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler
    settings: dict  # what must or should be the same when the run is resumed
    # What else has a state: "loss", one with weights of its own; "ema", the average of the network.
    modules: dict[str, nn.Module] = field(default_factory=dict)
    images: Sequence[str] = ()  # `image_digests` of those trained on, for `people_trained_on`

    def save(self, path: str | Path, logs: Sequence[Log], keep: int) -> None:
        """Write a checkpoint (the first process does). Raises ValueError, and writes nothing, for weights of NaN."""
        rng_states = distributed.all_gather_objects(get_rng_state(_device(self.model)))
        check_weights([self.model, *self.modules.values()], logs[-1].step)
        if distributed.rank() == 0:
            state = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
            state |= {"settings": self.settings, "logs": [astuple(log) for log in logs], "random": rng_states}
            state |= {"trained_on": list(self.images)}
            state |= {name: module.state_dict() for name, module in self.modules.items()}
            checkpoint.save(path, self.model, keep=keep, step=logs[-1].step, **state)

    def load(self, path: str | Path, steps_per_epoch: int) -> tuple[list[Log], dict]:
        """Restore a checkpoint, in place; returns its logs and this process's random state, to be set later.

        Raises ValueError as `check_compatible` and `checkpoint.restore` do, and changes nothing then.
        """
        check = partial(check_compatible, path, self.settings, self.modules)
        state = checkpoint.restore(path, self.model, check)
        epochs = self.settings["epochs"]
        totals = {"steps": epochs * steps_per_epoch, "epochs": epochs, "held": True}
        logs = [replace(Log(*values), **totals) for values in state["logs"]]
        if state["scaler"]:  # empty, if that was not fp16
            self.scaler.load_state_dict(state["scaler"])
        for name, module in self.modules.items():
            if name in state:  # an average may begin later than the run
                module.load_state_dict(state[name])
        restore_optimizer(self.optimizer, self.scheduler, state["optimizer"], len(logs) // steps_per_epoch)
        return logs, state["random"][distributed.rank() % len(state["random"])]


def should_resume(path: str | Path | None, resume: bool | Literal["auto"]) -> bool:
    """Whether there is a checkpoint to go on from; all processes get the first one's answer."""
    if path is None:
        return False
    return distributed.broadcast_object(resume is True or (resume == "auto" and Path(path).exists()))


def digest(samples: Sequence[TrainSample]) -> str:
    """Which images of whom, in their order, wherever they lie."""
    names = "\n".join(f"{Path(path).name} {label}" for path, label, _ in samples)
    return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16]


def image_digests(paths: Iterable[Path]) -> list[str]:
    """A short hash of the content of each file, whatever its name, and wherever it lies."""
    return [hashlib.blake2b(Path(path).read_bytes(), digest_size=8).hexdigest() for path in paths]


def people_trained_on(path: str | Path, splits: Splits) -> int | None:
    """How many of the query people have an image among those that the checkpoint's network was trained on.

    None for a checkpoint that does not know: an earlier version's, or one that `rga.fit` did not write.
    """
    if not (trained := set(checkpoint.load_training(path).get("trained_on", ()))):
        return None
    people = {sample.pid for sample in splits.query}
    shown = [sample for sample in splits.query + splits.gallery if sample.pid in people]
    digests = image_digests(sample.path for sample in shown)
    return len({sample.pid for sample, digest in zip(shown, digests, strict=True) if digest in trained})


def check_compatible(path: str | Path, settings: dict, modules: dict[str, nn.Module], state: dict) -> None:
    """Whether a run with these settings can resume from that state: ValueError if not, a warning if some are new."""
    if lacking := {"optimizer", "scaler", "logs", "settings", "random"} - state.keys():
        raise ValueError(
            f"{path} holds a network, but not what a run needs to go on (it lacks {', '.join(sorted(lacking))}): "
            "resume from the checkpoint.pt of a run, or start anew with resume=False."
        )
    changed = {
        name: f"{name} {state['settings'][name]!r} there, {value!r} here"
        for name, value in settings.items()
        if state["settings"].get(name, value) != value  # a checkpoint of an earlier version lacks some
    }
    if "samples" in changed:
        changed["samples"] = "names or identities of images that are others"
    if refused := [changed[name] for name in SAME_BATCHES if name in changed]:
        raise ValueError(
            f"{path} is of a run with other batches: {'; '.join(refused)}. Resume with its settings, or start anew."
        )
    weights = modules["loss"].state_dict() if "loss" in modules else {}
    if wrong := differences(state.get("loss", {}), weights):
        raise ValueError(
            f"{path} is of a run whose loss has other weights of its own ({wrong}): resume with its loss, or start "
            "anew from its network (rga.checkpoint.load_model)."
        )
    if state["logs"] and (trained := state["logs"][-1][2]) > settings["epochs"]:
        raise ValueError(
            f"{path} is of a run that has come to epoch {trained}, and epochs={settings['epochs']} here: ask for "
            "as many at least, or start anew."
        )
    if changed:  # more epochs are a good reason, so it is said and not refused
        logger.warning("resuming with other settings than before: %s", "; ".join(changed.values()))


def restore_optimizer(optimizer: Optimizer, scheduler: LRScheduler, state: dict, epochs: int) -> None:
    """Bring optimizer and schedule to where `epochs` epochs leave them.

    The schedule is run anew and not loaded, so that more epochs than first planned get the schedule of that many.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
        for _ in range(epochs):
            scheduler.step()
    asked = [
        {key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups
    ]
    optimizer.load_state_dict(state)
    for group, options in zip(optimizer.param_groups, asked, strict=True):
        group.update(options)


def _device(model: ReIDModel) -> torch.device:
    return next(model.parameters()).device
