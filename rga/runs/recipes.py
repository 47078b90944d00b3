"""Everything that decides a training run, as one value, and the named recipes."""

import inspect
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga import data
from rga.data import DATASETS, Splits
from rga.models import ATTENTION, STAGES, ReIDModel, create_model
from rga.places import ROOT
from rga.precision import PRECISIONS
from rga.schedule import paper_schedule, short_schedule

logger = logging.getLogger(__name__)

SCHEDULES: dict[str, Callable[[Optimizer, int], LRScheduler]] = {
    "paper": lambda optimizer, epochs: paper_schedule(optimizer),
    "short": short_schedule,
}


LEAST = {"p": 2, "k": 2, "epochs": 1, "accumulate": 1, "save_every": 1, "keep": 1}
LEAST |= {"split": 0, "seed": 0, "workers": 0, "evaluate_every": 0}
PATHS = {"out": (), "root": (None,), "cache": (True, False), "weights": ("random", "imagenet")}


@dataclass(frozen=True)
class Recipe:
    """The settings of a run; notebook parameters and command-line options have the same names, and the words here.

    Raises ValueError for a value that cannot be, before anything is loaded or drawn.
    """

    profile: Annotated[str, "the named recipe that the other fields come from"]
    dataset: Annotated[str, "a key of rga.data.DATASETS"]
    root: Annotated[
        Path | None, "its folder; None: data/{dataset}, for drawn people one named after their settings"
    ]
    boxes: Annotated[str, "labeled or detected (CUHK03 and drawn people)"]
    protocol: Annotated[
        str, "new: 767/700 identities, or classic: 20 splits, single-shot (CUHK03 and drawn people)"
    ]
    split: Annotated[int, "0 to 19, which of the classic splits"]
    allow_missing: Annotated[bool, "go on without the images that the protocol names and the folder lacks"]
    backbone: Annotated[str, "a key of rga.models.STAGES"]
    attention: Annotated[str, "a key of rga.models.ATTENTION"]
    init_gates: Annotated[str, "released: gates start as random maps, or identity: they start open"]
    weights: Annotated[str, "of the backbone: random, imagenet or the path of a state dict"]
    size: Annotated[tuple[int, int], "height x width of the images, such as 256x128"]
    p: Annotated[int, "identities in a batch, of all processes together"]
    k: Annotated[int, "images of each identity in a batch"]
    every_image: Annotated[bool, "an epoch holds every image, instead of k images of each identity"]
    epochs: Annotated[int, "epochs of training"]
    lr: Annotated[float, "Adam's learning rate, at its highest"]
    schedule: Annotated[str, "paper or short"]
    seed: Annotated[int, "decides weights, batches and augmentation"]
    precision: Annotated[str, "fp32, tf32, bf16 or fp16"]
    compile: Annotated[bool, "torch.compile: a minute at the start, quicker steps"]
    graphs: Annotated[bool, "CUDA graphs, on one GPU: a pass is started at once, not kernel by kernel"]
    accumulate: Annotated[int, "a batch goes through the network in so many parts, for less memory"]
    sync_norm: Annotated[bool, "several processes: BatchNorm over all of them"]
    gather: Annotated[bool, "several processes: hard pairs among the images of all of them"]
    workers: Annotated[int, "processes that load images beside each training process"]
    cache: Annotated[bool | Path, "keep the resized training images: True in memory, or a folder"]
    out: Annotated[Path, "folder of the checkpoints, logs and metrics.json"]
    save_every: Annotated[int, "epochs from one checkpoint to the next"]
    keep: Annotated[int, "how many checkpoints stay"]
    evaluate_every: Annotated[
        int, "epochs from one evaluation to the next, which best.pt is chosen by; 0: the end only"
    ]
    tensorboard: Annotated[bool, "write losses, scores and gates for TensorBoard, too"]
    resume: Annotated[bool | str, "go on from the checkpoint in out; auto: if there is one"]

    def __post_init__(self) -> None:
        _check(vars(self))
        # Frozen: these are the same values in the one form that the rest of the code expects.
        object.__setattr__(self, "size", _size(self.size))
        object.__setattr__(self, "out", _path(self.out))
        object.__setattr__(self, "root", None if self.root is None else _path(self.root))
        object.__setattr__(self, "cache", self.cache if isinstance(self.cache, bool) else _path(self.cache))
        if self.weights not in ("random", "imagenet"):
            object.__setattr__(self, "weights", str(_path(self.weights)))

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    def load_data(self) -> Splits:
        """The data set of this run. Settings that it does not know do not matter: Market-1501 has no `boxes`."""
        known = inspect.signature(DATASETS[self.dataset]).parameters
        names = ("boxes", "protocol", "split", "allow_missing")
        root = self.root or (None if self.dataset == "synthetic" else ROOT / "data" / self.dataset)
        return data.load(self.dataset, root, **{name: getattr(self, name) for name in names if name in known})

    def make_model(self, num_pids: int) -> ReIDModel:
        """The network of this run before training, on the CPU; `seed` decides its random weights.

        A recipe with ImageNet weights raises FileNotFoundError without them, rather than train from random ones.
        """
        torch.manual_seed(self.seed)
        model = create_model(
            self.backbone,
            self.attention,
            num_pids=num_pids,
            size=self.size,
            weights=None if self.weights == "random" else self.weights,
            init_gates=self.init_gates,
        )
        if self.weights == "random" and self.schedule == "paper":
            logger.warning(
                "the paper's schedule with random weights: its authors start from ImageNet weights, without which "
                "their scores cannot be expected (weights='imagenet')."
            )
        return model

    def make_schedule(self, optimizer: Optimizer) -> LRScheduler:
        """The learning-rate schedule of this run, as `rga.fit` wants it."""
        return SCHEDULES[self.schedule](optimizer, self.epochs)

    def fit_options(self) -> dict[str, Any]:
        """The arguments of `rga.fit` beside the network and its images."""
        same = (
            "epochs",
            "p",
            "k",
            "every_image",
            "lr",
            "seed",
            "precision",
            "accumulate",
            "compile",
            "graphs",
            "sync_norm",
        )
        same += ("gather", "workers", "cache", "save_every", "keep", "resume")
        options = {name: getattr(self, name) for name in same}
        return options | {"schedule": self.make_schedule, "path": self.checkpoint}


def _check(values: dict[str, Any]) -> None:
    """ValueError for a value that cannot be."""
    choices = {"dataset": DATASETS, "backbone": STAGES, "attention": ATTENTION, "schedule": SCHEDULES}
    choices |= {"init_gates": ("released", "identity"), "boxes": ("labeled", "detected")}
    choices |= {"protocol": ("new", "classic"), "precision": PRECISIONS, "resume": (True, False, "auto")}
    for name, allowed in choices.items():
        if values[name] not in allowed or type(values[name]) is int:  # 1 would pass for True
            raise ValueError(
                f"unknown {name} {values[name]!r}: choose one of {', '.join(map(str, allowed))}."
            )
    for name, least in LEAST.items():
        value = values[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    # Any text would do as True, and papermill makes a bool of True and False, but not of false.
    for name, kind in get_type_hints(Recipe).items():
        if kind is bool and not isinstance(values[name], bool):
            raise ValueError(f"{name} must be True or False, got {values[name]!r}.")
    for name, others in PATHS.items():
        value = values[name]
        if any(value is other for other in others):
            continue
        if not isinstance(value, str | Path) or str(value).lower() in ("", "true", "false", "none"):
            raise ValueError(f"{name} must be {' or '.join([*map(str, others), 'a path'])}, got {value!r}.")
    lr = values["lr"]
    if not isinstance(lr, Real) or isinstance(lr, bool) or not 0 < lr < math.inf:
        raise ValueError(f"lr must be a number above 0, got {lr!r}.")
    if values["p"] % values["accumulate"] or values["p"] < 2 * values["accumulate"]:
        raise ValueError(
            f"p={values['p']} identities cannot be divided into {values['accumulate']} parts (accumulate): expected "
            "the same number of at least 2 in each."
        )


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


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; where it only imitates it, bfloat16 is slower than float32."""
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


# What the named recipes share.
COMMON = {
    "root": None,
    "boxes": "labeled",
    "protocol": "new",
    "split": 0,
    "allow_missing": False,
    "attention": "rga_sc",
    "p": 16,
    "k": 4,
    "every_image": False,
    "lr": 8e-4,
    "seed": 0,
    "compile": False,
    "graphs": False,
    "accumulate": 1,
    "sync_norm": False,
    "gather": False,
    "save_every": 10,
    "keep": 1,
    "evaluate_every": 0,
    "tensorboard": False,
    "resume": False,
}


def quick(**changes: object) -> Recipe:
    """Drawn people, a small network, a CPU: the whole way from pictures to rank-1 in minutes.

    `make train`, or papermill notebooks/03_train.ipynb out.ipynb, or python -m rga train

    Hardware: 2 CPU cores. Measured on an AMD EPYC: 1.8 minutes of training; rank-1 / mAP 73.6 / 76.3 % of one seed
    (results/drawn_people.json), chance 0.7 %. Twice the paper's rate: of five recipes the quickest to 75 % mAP in
    the mean of three seeds (results/README.md).
    """
    # A CPU multiplies bfloat16 well, but has no depthwise convolutions in it.
    if torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = cpu_has_bfloat16() and changes.get("backbone") != "mobilenet_v2"
    settings = COMMON | {
        "profile": "quick",
        "dataset": "synthetic",
        "backbone": "resnet18",
        "init_gates": "identity",
        "weights": "random",
        "size": (128, 64),
        "epochs": 20,
        "lr": 1.6e-3,
        "schedule": "short",
        "precision": "bf16" if has_bf16 else "fp32",
        "workers": 0,
        "cache": True,
        "out": Path("runs/train"),
    }
    return Recipe(**settings | changes)


def paper(dataset: str = "cuhk03", boxes: str = "labeled", **changes: object) -> Recipe:
    """The paper's recipe: ResNet-50 with ImageNet weights, RGA-SC, 256 x 128, 600 epochs of 47 steps on CUHK03.

    python -m rga train full --root PATH [--dataset market1501], or papermill notebooks/03_train.ipynb out.ipynb
    -p profile full -p root PATH

    Hardware: one GPU with 24 GB (the paper's: an NVIDIA P40). Time: not measured as a whole; a step took 114 ms on an
    H100 (bench/h100/train_step.json), which is 54 minutes for all steps of CUHK03. Score: not measured; the paper's are
    rank-1 / mAP 81.1 / 77.4 % on CUHK03 labeled, 79.6 / 74.5 % on detected, 96.1 / 88.4 % on Market-1501 (46
    steps an epoch) and 80.3 / 57.5 % on MSMT17 (65 steps), of the last checkpoint.
    """
    settings = COMMON | {
        "profile": "full",
        "dataset": dataset,
        "boxes": boxes,
        "backbone": "resnet50",
        "init_gates": "released",
        "weights": "imagenet",
        "size": (256, 128),
        "epochs": 600,
        "schedule": "paper",
        "precision": "fp32",
        "workers": 4,
        "cache": False,
        "out": Path("runs/full"),
    }
    return Recipe(**settings | changes)


def fast(dataset: str = "cuhk03", boxes: str = "labeled", **changes: object) -> Recipe:
    """The paper's network in a fifth of its epochs: gates that start open, a short warm-up, half a cosine, bfloat16.

    python -m rga train fast --root PATH [--dataset market1501]

    On one GPU it has CUDA graphs, unless `compile` or `accumulate` is asked for.
    Why it should get far sooner: the paper warms up for 20 epochs and lowers its rate until epoch 360, and gates that
    start as random maps cost the first epochs nearly everything (results/README.md has what that is in a short run).
    Hardware: one GPU that multiplies bfloat16. Time: not measured as a whole; an H100 trained on 2300 images a second
    (results/recipes.json), which is 2.6 minutes for all steps of CUHK03. Score: not measured from ImageNet weights.
    """
    # torchrun says how many processes there are.
    alone = torch.cuda.is_available() and os.environ.get("WORLD_SIZE", "1") == "1"
    graphs = alone and not changes.get("compile") and changes.get("accumulate", 1) == 1
    settings = {"init_gates": "identity", "epochs": 120, "schedule": "short", "precision": "bf16"}
    changes = settings | {"graphs": graphs} | changes
    return paper(dataset, boxes, **{"profile": "fast", "out": Path("runs/fast")} | changes)


RECIPES: dict[str, Callable[..., Recipe]] = {"quick": quick, "full": paper, "fast": fast}


def named(profile: str, **changes: object) -> Recipe:
    """The recipe called `profile` with some fields changed. Raises ValueError for an unknown one."""
    if profile not in RECIPES:
        raise ValueError(f"unknown profile {profile!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[profile](**changes)
