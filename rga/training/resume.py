"""Go on where a run stopped: what its checkpoint must hold, which settings may be new, how the schedule catches up."""

import logging
import warnings
from pathlib import Path

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga.models import ReIDModel

logger = logging.getLogger(__name__)


def accept(path: str | Path, settings: dict, state: dict) -> None:
    """Whether a run with these settings can go on from that state: ValueError if not, a warning if others are new."""
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
    if refused := [
        changed[name] for name in ("p", "k", "every_image", "images", "samples") if name in changed
    ]:
        raise ValueError(
            f"{path} is of a run with other batches: {'; '.join(refused)}. Resume with its settings, or start anew."
        )
    if state["logs"] and (trained := state["logs"][-1][2]) > settings["epochs"]:
        raise ValueError(
            f"{path} is of a run that has come to epoch {trained}, and epochs={settings['epochs']} here: ask for "
            "as many at least, or start anew."
        )
    if changed:  # more epochs are a good reason, so it is said and not refused
        logger.warning("going on with other settings than before: %s", "; ".join(changed.values()))


def go_on(optimizer: Optimizer, scheduler: LRScheduler, state: dict, epochs: int) -> None:
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


def check_weights(model: ReIDModel, step: int) -> None:
    """ValueError if a weight or a running statistic is no number, so that a good checkpoint is not replaced by it."""
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise ValueError(f"the weights are no longer numbers after step {step}: use a smaller lr.")
