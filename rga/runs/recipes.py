"""The named recipes: quick on a CPU, the paper's, and a fast one for a GPU. Each docstring holds command and scores."""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from rga.runs.recipe import SCHEDULES, Recipe

__all__ = [
    "RECIPES",
    "SCHEDULES",
    "Recipe",
    "cpu_has_bfloat16",
    "fast",
    "get_recipe",
    "named",
    "paper",
    "quick",
]


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; where it only imitates it, bfloat16 is slower than float32."""
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def quick(**changes: object) -> Recipe:
    """Drawn people, a small network, a CPU: the whole way from images to rank-1 in minutes.

    `make train`, or papermill notebooks/03_train.ipynb out.ipynb, or python -m rga train

    Hardware: 2 CPU cores. Measured on an AMD EPYC: 1.8 minutes of training; rank-1 / mAP 73.6 / 76.3 % of one seed
    (results/drawn_people.json), chance 0.7 %. Twice the paper's rate: of five recipes the quickest to 75 % mAP in
    the mean of three seeds (results/README.md).
    """
    # A CPU multiplies bfloat16 well, but has no depthwise convolutions in it, as many networks of timm have.
    if torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = cpu_has_bfloat16() and not str(changes.get("backbone")).startswith(("mobilenet", "timm/"))
    settings = {
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
    settings = {  # the other defaults of Recipe are the paper's
        "profile": "full",
        "dataset": dataset,
        "boxes": boxes,
        "epochs": 600,
        "workers": 4,
        "out": Path("runs/full"),
    }
    return Recipe(**settings | changes)


def fast(dataset: str = "cuhk03", boxes: str = "labeled", **changes: object) -> Recipe:
    """The paper's network in a fifth of its epochs: gates that start open, a short warm-up, half a cosine, bfloat16.

    python -m rga train fast --root PATH [--dataset market1501]

    On one GPU it has CUDA graphs, unless `compile` is true or `accumulate` is set.
    Why it should get far sooner: the paper warms up for 20 epochs and lowers its rate until epoch 360, and gates that
    start as random maps cost the first epochs nearly everything (results/README.md has what that is in a short run).
    Hardware: one GPU that multiplies bfloat16. Time: not measured as a whole; an H100 trained on 2300 images a second
    (results/recipes.json), which is 2.6 minutes for all steps of CUHK03. Score: not measured from ImageNet weights.
    """
    # torchrun says how many processes there are.
    alone = torch.cuda.is_available() and os.environ.get("WORLD_SIZE", "1") == "1"
    graphs = alone and changes.get("compile") is not True and changes.get("accumulate", 1) == 1
    settings = {"init_gates": "identity", "epochs": 120, "schedule": "short", "precision": "bf16"}
    changes = settings | {"graphs": graphs} | changes
    return paper(dataset, boxes, **{"profile": "fast", "out": Path("runs/fast")} | changes)


RECIPES: dict[str, Callable[..., Recipe]] = {"quick": quick, "full": paper, "fast": fast}


def get_recipe(profile: str, **changes: object) -> Recipe:
    """The recipe called `profile` with some fields changed. Raises ValueError for an unknown one."""
    if profile not in RECIPES:
        raise ValueError(f"unknown profile {profile!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[profile](**changes)


named = get_recipe  # its old name
