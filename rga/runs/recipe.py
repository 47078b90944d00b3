"""Everything that decides a training run, as one value: the fields of a recipe, their defaults and checks."""

import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga import data
from rga.data import DATASETS, Splits
from rga.device.precision import PRECISIONS
from rga.io.paths import ROOT
from rga.models import ATTENTION, STAGES, ReIDModel, create_model
from rga.models.backbones import check_backbone
from rga.training.checks import check_division, check_rate
from rga.training.loop import fit
from rga.training.lr_schedule import paper_schedule, short_schedule

__all__ = ["Recipe", "knobs"]

logger = logging.getLogger(__name__)

SCHEDULES: dict[str, Callable[[Optimizer, int], LRScheduler]] = {
    "paper": lambda optimizer, epochs: paper_schedule(optimizer),
    "short": short_schedule,
}

# What a field may hold: one of these; at least so much; a path or one of these.
CHOICES = {"dataset": DATASETS, "attention": ATTENTION, "schedule": SCHEDULES}
CHOICES |= {"init_gates": ("released", "identity"), "boxes": ("labeled", "detected")}
CHOICES |= {"protocol": ("new", "classic"), "precision": PRECISIONS, "resume": (True, False, "auto")}
CHOICES |= {"compile": (True, False, "attention")}
LEAST = {"p": 2, "k": 2, "epochs": 1, "accumulate": 1, "save_every": 1, "keep": 1}
LEAST |= {"split": 0, "seed": 0, "workers": 0, "evaluate_every": 0}
# Knobs of drawn people (`rga.data.synthetic.load`), and what makes a value of the text of each.
KNOBS: dict[str, Callable] = {"identities": lambda text: tuple(map(int, text.split("x"))), "seed": int}
KNOBS |= {"images_per_camera": int, "only": str}
KNOBS |= dict.fromkeys(("lookalikes", "same_clothes", "occlusion", "light", "crowd"), float)
PATHS = {"out": (), "root": (None,), "cache": (True, False), "weights": ("random", "imagenet")}


def _any_of(names: Iterable) -> str:
    *others, last = map(str, names)
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a run: each stated once, here, with its default and the words that explain it.

    Notebook parameters and command-line options have these names and words; `rga.fit` has the same defaults;
    docs/settings.md is a table of them. A named recipe (`rga.runs.recipes`) changes some. Raises ValueError for an
    impossible value, before anything is loaded or drawn.
    """

    profile: Annotated[str, "the named recipe that the other fields come from"]
    dataset: Annotated[str, _any_of(DATASETS)]
    root: Annotated[
        Path | None,
        "folder of the data set; None: data/{dataset}, for drawn people one named after their settings",
    ] = None
    boxes: Annotated[str, "labeled or detected (CUHK03 and drawn people)"] = "labeled"
    protocol: Annotated[
        str, "new: 767/700 identities, or classic: 20 splits, single-shot (CUHK03 and drawn people)"
    ] = "new"
    split: Annotated[int, "0 to 19, which of the classic splits"] = 0
    allow_missing: Annotated[
        bool, "continue without the images that the protocol names and the folder lacks"
    ] = False
    pattern: Annotated[
        str | None,
        "regular expression with groups pid and camid for file names, see data/README.md (own images)",
    ] = None
    drawn: Annotated[
        str | None, "knobs of drawn people that are not at their default, such as 'crowd=1 seed=3'"
    ] = None
    backbone: Annotated[str, _any_of([*STAGES, "timm/NAME (of the package timm)"])] = "resnet50"
    attention: Annotated[str, f"after each stage: {_any_of(ATTENTION)}"] = "rga_sc"
    init_gates: Annotated[str, "released: gates start as random maps, or identity: they start open"] = (
        "released"
    )
    stages: Annotated[str, "behind which stages attention stands, such as 23"] = "1234"
    reduction: Annotated[int | None, "bottleneck ratio of the attention; None: its own, 8 for RGA"] = None
    weights: Annotated[str, "random, imagenet or the path of a state dict or checkpoint"] = "imagenet"
    size: Annotated[tuple[int, int], "height x width of the images, such as 256x128"] = (256, 128)
    p: Annotated[int, "identities in a batch, of all processes together"] = 16
    k: Annotated[int, "images of each identity in a batch"] = 4
    every_image: Annotated[bool, "an epoch holds every image, instead of k images of each identity"] = False
    epochs: Annotated[int, "epochs of training"]
    lr: Annotated[float, "Adam's learning rate at its highest, after warm-up"] = 8e-4
    gate_lr: Annotated[float, "learning-rate multiplier of the last layer of each attention"] = 1.0
    schedule: Annotated[
        str, "learning-rate schedule: paper (warm-up, steps) or short (warm-up, cosine annealing)"
    ] = "paper"
    seed: Annotated[int, "decides weights, batches and augmentation"] = 0
    precision: Annotated[str, "fp32, tf32, or mixed precision (autocast): bf16, fp16"] = "fp32"
    compile: Annotated[
        bool | Literal["attention"],
        "torch.compile: a minute at the start, quicker steps; attention: of the attention alone",
    ] = False
    graphs: Annotated[bool, "CUDA graphs, on one GPU: a pass is launched at once, not kernel by kernel"] = (
        False
    )
    accumulate: Annotated[int, "gradient accumulation: micro-batches a step, for less memory"] = 1
    sync_norm: Annotated[bool, "with torchrun only: synchronised BatchNorm, over all processes"] = False
    gather: Annotated[
        bool, "with torchrun only: all-gather, hard pairs among the images of all processes"
    ] = False
    workers: Annotated[int, "processes that load images beside each training process"] = 0
    cache: Annotated[bool | Path, "cache resized training images: True in memory, or a folder"] = False
    out: Annotated[Path, "folder of the checkpoints, logs and metrics.json"]
    save_every: Annotated[int, "epochs from one checkpoint to the next"] = 10
    keep: Annotated[int, "how many checkpoints stay"] = 1
    evaluate_every: Annotated[
        int, "epochs from one evaluation to the next, on which best.pt is selected; 0: the end only"
    ] = 0
    tensorboard: Annotated[bool, "also write losses, scores and gates for TensorBoard"] = False
    resume: Annotated[bool | str, "resume from the checkpoint in out; auto: if there is one"] = False
    overwrite: Annotated[bool, "replace the earlier run in out, whatever it is"] = False

    def __post_init__(self) -> None:
        _check(vars(self))
        # The same values in the one form that the rest of the code expects.
        plain = {
            name: _path(vars(self)[name]) for name, words in PATHS.items() if vars(self)[name] not in words
        }
        if "weights" in plain:
            plain["weights"] = str(plain["weights"])  # a checkpoint's config holds no paths
        # papermill makes an int of 23.
        vars(self).update(plain, size=_size(self.size), stages=str(self.stages))

    @property
    def checkpoint(self) -> Path:
        """The file of the last checkpoint: checkpoint.pt in `out`."""
        return self.out / "checkpoint.pt"

    def load_data(self) -> Splits:
        """The data set of this run. Settings that it does not have are ignored: Market-1501 has no `boxes`."""
        known = inspect.signature(DATASETS[self.dataset]).parameters
        names = ("boxes", "protocol", "split", "allow_missing", "pattern")
        root = self.root or (None if self.dataset == "synthetic" else ROOT / "data" / self.dataset)
        given = {name: getattr(self, name) for name in names if name in known}
        return data.load(
            self.dataset, root, **given | (knobs(self.drawn) if self.dataset == "synthetic" else {})
        )

    def make_model(self, num_pids: int) -> ReIDModel:
        """The network of this run before training, on the CPU; `seed` decides its random weights.

        Raises FileNotFoundError if ImageNet weights are asked for and not found, rather than train from random ones.
        """
        torch.manual_seed(self.seed)
        model = create_model(
            self.backbone,
            self.attention,
            num_pids=num_pids,
            size=self.size,
            weights=None if self.weights == "random" else self.weights,
            init_gates=self.init_gates,
            stages=[int(stage) for stage in self.stages],
            reduction=self.reduction,
        )
        if self.weights == "random" and self.schedule == "paper":
            logger.warning(
                "the paper's schedule with random weights: its authors start from ImageNet weights, without which "
                "their scores cannot be expected (weights='imagenet')."
            )
        return model

    def make_schedule(self, optimizer: Optimizer) -> LRScheduler:
        """The learning-rate schedule of this run, as `rga.fit` takes it."""
        return SCHEDULES[self.schedule](optimizer, self.epochs)

    def fit_options(self) -> dict[str, Any]:
        """The arguments of `rga.fit` beside model and samples: the fields of the same names."""
        shared = vars(self).keys() & inspect.signature(fit).parameters.keys()
        return {name: getattr(self, name) for name in shared} | {
            "schedule": self.make_schedule,
            "path": self.checkpoint,
        }


def _check(values: dict[str, Any]) -> None:
    """ValueError for an impossible value."""
    check_backbone(values["backbone"])
    for name, allowed in CHOICES.items():
        if values[name] not in list(allowed) or type(values[name]) is int:  # 1 would pass for True
            raise ValueError(
                f"unknown {name} {values[name]!r}: choose one of {', '.join(map(str, allowed))}."
            )
    for name, least in LEAST.items():
        value = values[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    # A non-empty string is true, and papermill makes a bool of True and False, but not of false.
    for name, kind in get_type_hints(Recipe).items():
        if kind is bool and not isinstance(values[name], bool):
            raise ValueError(f"{name} must be True or False, got {values[name]!r}.")
    for name, others in PATHS.items():
        value = values[name]
        if any(value is other for other in others):
            continue
        if not isinstance(value, str | Path) or str(value).lower() in ("", "true", "false", "none"):
            raise ValueError(f"{name} must be {' or '.join([*map(str, others), 'a path'])}, got {value!r}.")
    if not isinstance(pattern := values["pattern"], str | None):
        raise ValueError(f"pattern must be None or a regular expression, got {pattern!r}.")
    if not str(values["stages"]) or set(str(values["stages"])) - set("1234"):
        raise ValueError(f"stages must be some of 1234, such as 23, got {values['stages']!r}.")
    reduction = values["reduction"]
    if reduction is not None and (type(reduction) is not int or reduction < 1):
        raise ValueError(f"reduction must be None or a whole number of at least 1, got {reduction!r}.")
    knobs(values["drawn"])
    for name in ("lr", "gate_lr"):
        check_rate(name, values[name])
    check_division(values["p"], values["accumulate"])


def knobs(text: str | None) -> dict[str, Any]:
    """Options of `rga.data.synthetic.load` written as "crowd=1 seed=3"; ValueError for what is none."""
    if not isinstance(text, str | None):
        raise ValueError(f"drawn must be None or text such as 'crowd=1 seed=3', got {text!r}.")
    given = {}
    for word in (text or "").split():
        name, _, value = word.partition("=")
        try:
            given[name] = KNOBS[name](value)
        except (KeyError, ValueError):
            raise ValueError(
                f"drawn holds knobs of drawn people, such as 'crowd=1 seed=3', and {word!r} is none: expected "
                f"{', '.join(KNOBS)}, each as name=value."
            ) from None
    return given


def _path(path: str | Path) -> Path:
    return ROOT / Path(path).expanduser()


def _size(size: str | tuple[int, int] | list[int]) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in (size.split("x") if isinstance(size, str) else size))
    except (TypeError, ValueError):
        raise ValueError(f"size must be (height, width) or text such as 256x128, got {size!r}.") from None
    if height < 64 or width < 32:
        raise ValueError(f"size must be at least 64x32 (height x width), got {height}x{width}.")
    return height, width
