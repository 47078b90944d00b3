"""Everything that decides a training run, as one value, and the named recipes."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga import data
from rga.data import DATASETS, Splits
from rga.models import ATTENTION, STAGES
from rga.schedule import paper_schedule, short_schedule

# Relative paths start here, wherever a notebook or a command is started from.
ROOT = Path(__file__).resolve().parent.parent

SCHEDULES: dict[str, Callable[[Optimizer, int], LRScheduler]] = {
    "paper": lambda optimizer, epochs: paper_schedule(optimizer),
    "short": short_schedule,
}


@dataclass(frozen=True)
class Recipe:
    """The settings of a run; notebook parameters and command-line options have the same names.

    Raises ValueError for a value that cannot be, before anything is loaded or drawn.
    """

    profile: str  # the named recipe that the other fields come from
    dataset: str  # a key of rga.data.DATASETS
    root: (
        Path | None
    )  # its folder; None: data/{dataset}, and for drawn people a folder named after their settings
    boxes: str  # "labeled" or "detected" (CUHK03 and drawn people)
    protocol: str  # "new": 767/700 identities, "classic": 20 splits, single-shot (CUHK03 and drawn people)
    split: int  # 0 … 19, which of the classic splits
    allow_missing: bool  # go on without the images that the protocol names and the folder lacks
    backbone: str  # a key of rga.models.STAGES
    attention: str  # a key of rga.models.ATTENTION
    init_gates: str  # "released" or "identity", see rga.models.RGA
    weights: str  # of the backbone: "random", "imagenet" or the path of a state dict
    size: tuple[int, int]  # (height, width) of the images
    p: int  # identities in a batch
    k: int  # images of each
    epochs: int  # one epoch visits each identity once, k images of it
    lr: float  # Adam's learning rate, at its highest
    schedule: str  # a key of SCHEDULES
    seed: int  # decides weights, batches and augmentation
    amp: bool  # bfloat16 autocast
    workers: int  # processes that load images beside the training process
    cache: bool | Path  # keep the resized training images in memory (True) or in files in a folder (its path)
    out: Path  # folder of the checkpoint and metrics.json
    resume: bool  # go on from the checkpoint in `out`

    def __post_init__(self) -> None:
        choices = {"dataset": DATASETS, "backbone": STAGES, "attention": ATTENTION, "schedule": SCHEDULES}
        choices |= {"init_gates": ("released", "identity"), "boxes": ("labeled", "detected")}
        choices |= {"protocol": ("new", "classic")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(allowed)}."
                )
        for name, least in {"p": 2, "k": 2, "epochs": 1, "seed": 0, "workers": 0, "split": 0}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
        if not self.lr > 0:
            raise ValueError(f"lr must be above 0, got {self.lr!r}.")
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

    def make_schedule(self, optimizer: Optimizer) -> LRScheduler:
        """The learning-rate schedule of this run, as `rga.fit` wants it."""
        return SCHEDULES[self.schedule](optimizer, self.epochs)


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


def quick(**changes: object) -> Recipe:
    """Drawn people, a small network, a CPU: the whole way from pictures to rank-1 in minutes.

    `make train`, or papermill notebooks/03_train.ipynb out.ipynb
    """
    recipe = Recipe(
        profile="quick",
        dataset="synthetic",
        root=None,
        boxes="labeled",
        protocol="new",
        split=0,
        allow_missing=False,
        backbone="resnet18",
        attention="rga_sc",
        init_gates="identity",
        weights="random",
        size=(128, 64),
        p=16,
        k=4,
        epochs=40,
        lr=8e-4,
        schedule="short",
        seed=0,
        amp=torch.cuda.is_available() or cpu_has_bfloat16(),
        workers=0,
        cache=True,
        out=Path("runs/train"),
        resume=False,
    )
    return dataclasses.replace(recipe, **changes)


def full(**changes: object) -> Recipe:
    """The paper's recipe: ResNet-50 with ImageNet weights, RGA-SC, 256 x 128, 600 epochs of 47 steps on CUHK03.

    papermill notebooks/03_train.ipynb out.ipynb -p profile full -p root PATH

    Hardware: one GPU with 24 GB (the paper's: an NVIDIA P40). Time: not measured. Score: not measured; the paper's
    are rank-1 81.1 %, mAP 77.4 % (labeled) and 79.6 %, 74.5 % (detected), of the last checkpoint.
    """
    recipe = Recipe(
        profile="full",
        dataset="cuhk03",
        root=None,
        boxes="labeled",
        protocol="new",
        split=0,
        allow_missing=False,
        backbone="resnet50",
        attention="rga_sc",
        init_gates="released",
        weights="imagenet",
        size=(256, 128),
        p=16,
        k=4,
        epochs=600,
        lr=8e-4,
        schedule="paper",
        seed=0,
        amp=False,
        workers=4,
        cache=False,
        out=Path("runs/full"),
        resume=False,
    )
    return dataclasses.replace(recipe, **changes)


RECIPES: dict[str, Callable[..., Recipe]] = {"quick": quick, "full": full}


def named(profile: str, **changes: object) -> Recipe:
    """The recipe called `profile` with some fields changed. Raises ValueError for an unknown one."""
    if profile not in RECIPES:
        raise ValueError(f"unknown profile {profile!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[profile](**changes)
