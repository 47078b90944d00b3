"""explorer: a self-contained web page; point at a position of a person, or a channel, to see its relations."""

import base64
import html
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor, nn

from rga.data.transforms import normalise, resize
from rga.io.atomic_write import atomic_write
from rga.models import ReIDModel, RelationScore
from rga.models.hooks import evaluating
from rga.plot.style import rgb

Grid = tuple[int, int]  # (height, width)

CELLS = (16, 8)  # what a grid of positions is shown as at most
CHANNELS = 64  # of a stage, those with the highest gates
RAMP = [to_hex(colour) for colour in colormaps["inferno"].resampled(12).colors]
FRAME_HEIGHT = 1000  # pixels: two networks side by side, not cut in a narrow JupyterLab


@dataclass(frozen=True, repr=False)
class Page:
    """A self-contained HTML page. A notebook shows it below the cell that ends with it; `str` is the file's text."""

    text: str

    def __str__(self) -> str:
        return self.text

    def save(self, path: str | Path) -> Path:
        """Write the page atomically, and return where it is; any browser opens it without a server."""
        with atomic_write(path) as partial:
            partial.write_text(self.text, encoding="utf-8")
        return Path(path)

    def frame(self, address: str) -> "Frame":
        """For a notebook: the saved page by its address relative to the notebook, so that the output stays short."""
        return Frame(f'src="{html.escape(address)}"')

    def _repr_html_(self) -> str:
        return Frame(f'sandbox="allow-scripts" srcdoc="{html.escape(self.text)}"')._repr_html_()


@dataclass(frozen=True, repr=False)
class Frame:
    """A page below a notebook's cell, in a frame that keeps the page's style and script, and the notebook's, apart."""

    source: str  # the attributes that name or hold the page; a Jupyter server puts its files into a sandbox itself

    def __repr__(self) -> str:
        return "the page, in a frame"  # the same in every run

    def _repr_html_(self) -> str:
        return (
            # JupyterLab's theme is not the system's. A page in a frame takes the frame's for the system's.
            "<style>[data-jp-theme-light='false'] .rga-explorer { color-scheme: dark }</style>"
            f'<iframe class="rga-explorer" title="Relations explorer" {self.source} '
            f'style="width: 100%; height: {FRAME_HEIGHT}px; border: 0"></iframe>'
            # JupyterLab removes frames, and only frames, from stored outputs that it does not trust.
            "<small>No page above? Run this cell: JupyterLab shows pages only in notebooks it trusts.</small>"
        )


def explorer(
    models: ReIDModel | Mapping[str, ReIDModel],
    images: Tensor | np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    cells: Grid = CELLS,
    channels: int = CHANNELS,
) -> Page:
    """A page that shows the gates and relations of every stage for these people, one network beside the other.

    All numbers are quantised to 8 bits between the lowest and the highest of their map (of its row, for relations).
    The page grows with images, models, the fourth power of the cells' side and the square of `channels`: with the
    defaults, ResNet-50 at 256 x 128 and 12 people take about 2 MB a model.

    Args:
        models: one, or {name: model} to compare; each sees the images once, in eval mode, and is left as it was.
        images: (B, 3, H, W) uint8, or floats in 0..1, which are rounded to uint8.
        titles: one for each image.
        cells: a grid of more positions is average-pooled to these (height, width) cells; the relation of two cells
            is the mean over the pairs of their positions.
        channels: of the channels of a stage, so many are shown, those with the highest gates.

    Raises:
        ValueError: for images of another kind, titles of another number, less than one cell or channel, models
            without any attention, and those whose attention is NaN or Inf.
    """
    named = models if isinstance(models, Mapping) else {_name(models): models}
    if not named:
        raise ValueError("explorer needs at least one model, got an empty mapping.")
    if min(*cells, channels) < 1:
        raise ValueError(f"expected at least 1 × 1 cells and 1 channel to show, got {cells} and {channels}.")
    pictures = torch.from_numpy(rgb(images)).permute(0, 3, 1, 2)
    titles = [f"image {i}" for i in range(len(pictures))] if titles is None else list(titles)
    if len(titles) != len(pictures):
        raise ValueError(f"expected one title for each of the {len(pictures)} images, got {len(titles)}.")
    content = {
        "people": [
            {"title": str(title), "image": _jpeg(picture)}
            for title, picture in zip(titles, pictures, strict=True)
        ],
        "size": pictures.shape[2:],
        "models": [
            {"name": name, "stages": _stages(name, model, pictures, cells, channels)}
            for name, model in named.items()
        ],
        "ramp": RAMP,
    }
    # "<" would let a title end the script element that the data stands in.
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    template = files("rga.plot").joinpath("explorer.html").read_text(encoding="utf-8")
    return Page(template.replace("@DATA@", data))


def _name(model: nn.Module) -> str:
    config = getattr(model, "config", {})
    return (
        " + ".join(config[key] for key in ("backbone", "attention") if key in config) or type(model).__name__
    )


class Branch(NamedTuple):
    """Where to hook an attention: the module whose input is the feature map, and the one whose output is the map."""

    scorer: nn.Module
    tap: nn.Module | None  # outputs a number a position or channel; a non-local block has only relations
    softmax: bool  # non-local blocks: relations, or the numbers of `tap`, are weights that sum to 1


def _branches(model: nn.Module) -> dict[str, dict[str, Branch]]:
    """{attention block: {"spatial" or "channel": Branch}}, in the order of the network.

    Read from the names: a gate belongs to its parent, which is `spatial` or `channel` of the block, or the block.
    """
    found: dict[str, dict[str, Branch]] = {}
    for name, module in model.named_modules():
        owner, _, last = name.rpartition(".")
        if last not in ("gate", "attend"):
            continue
        block, _, kind = owner.rpartition(".")
        if kind not in ("spatial", "channel"):
            block, kind = owner, "channel" if last == "gate" else "spatial"
        parent = model.get_submodule(owner)
        scorer, softmax = getattr(parent, "score", parent), last == "attend"
        tap = None if softmax and _has_relations(scorer) else module
        found.setdefault(block, {})[kind] = Branch(scorer, tap, softmax)
    return found


def _has_relations(scorer: nn.Module) -> bool:
    return getattr(scorer, "has_relations", hasattr(scorer, "relations"))


@contextmanager
def _hooked(
    model: nn.Module, scorers: Iterable[nn.Module], taps: Iterable[nn.Module]
) -> Iterator[tuple[dict[nn.Module, Tensor], dict[nn.Module, Tensor]]]:
    """The model in eval mode, with the scorers' inputs and the taps' outputs of its latest call."""
    inputs: dict[nn.Module, Tensor] = {}
    outputs: dict[nn.Module, Tensor] = {}
    with ExitStack() as hooks, evaluating(model):
        for m in scorers:
            hook = m.register_forward_pre_hook(lambda m, given: inputs.__setitem__(m, given[0]))
            hooks.enter_context(hook)
        for m in taps:
            hook = m.register_forward_hook(lambda m, _, output: outputs.__setitem__(m, output))
            hooks.enter_context(hook)
        yield inputs, outputs


@torch.no_grad()
def _stages(
    name: str, model: ReIDModel, pictures: Tensor, cells: Grid, channels: int
) -> list[dict[str, Any]]:
    """The page's data on each stage of one model, from one forward pass."""
    blocks = _branches(model)
    if not blocks:
        raise ValueError(
            f"the model {name!r} has no gates and no relations to show: build it with an attention, "
            "such as create_model(..., attention='rga_sc')."
        )
    branches = [branch for found in blocks.values() for branch in found.values()]
    scorers = {branch.scorer for branch in branches} | {model.get_submodule(block) for block in blocks}
    with _hooked(model, scorers, [branch.tap for branch in branches if branch.tap]) as (inputs, outputs):
        model(normalise(resize(pictures, model.size)).to(next(model.parameters())))
        stages = []
        for block, found in blocks.items():
            x_BCHW = inputs[model.get_submodule(block)]
            grid = tuple(x_BCHW.shape[2:])
            shown = min(grid[0], cells[0]), min(grid[1], cells[1])
            place = block.rpartition(".")[0].removeprefix("backbone.")
            stage = {"name": place, "channels": x_BCHW.shape[1], "grid": grid, "cells": shown}
            pooling = torch.kron(_pooling(grid[0], shown[0]), _pooling(grid[1], shown[1])).to(x_BCHW.device)
            for kind, branch in found.items():
                seen = branch, inputs[branch.scorer], outputs.get(branch.tap), pooling
                stage[kind] = _spatial(*seen) if kind == "spatial" else _channel(*seen, channels)
            stages.append(stage)
    return stages


def _pooling(length: int, cells: int) -> Tensor:
    """The (cells, length) matrix of means: cell k covers positions k*length//cells to (k + 1)*length//cells."""
    matrix = torch.zeros(cells, length)
    for k in range(cells):
        start, stop = k * length // cells, (k + 1) * length // cells
        matrix[k, start:stop] = 1 / (stop - start)
    return matrix


def _relations(scorer: nn.Module, x: Tensor) -> Iterator[Tensor] | None:
    """The relation matrix of each image, (N, N); one at a time, because N x N numbers can be 16 MiB."""
    return (scorer.relations(x_1)[0].float() for x_1 in x.split(1)) if _has_relations(scorer) else None


def _spatial(branch: Branch, x_BCHW: Tensor, output: Tensor | None, pooling: Tensor) -> dict[str, Any]:
    """Gates of the cells, and relations between them; None for what this attention does not have."""
    gates = None if output is None else output.float().flatten(1) @ pooling.T
    relations = _relations(branch.scorer, x_BCHW)
    return {
        "softmax": branch.softmax,
        "gates": None if gates is None else [_pack(gates_N[None]) for gates_N in gates],
        "relations": relations and [_pack(pooling @ r_NN @ pooling.T) for r_NN in relations],
    }


def _channel(branch: Branch, x: Tensor, output: Tensor, pooling: Tensor, shown: int) -> dict[str, Any]:
    """The gates of all channels, the highest first; what the first respond to, and the relations between these."""
    # The nodes of RGA-C come as (B, N, C, 1).
    x_BCN = x.squeeze(-1).mT if isinstance(branch.scorer, RelationScore) else x.flatten(2)
    gates_BC, order_BC = output.float().flatten(1).sort(dim=1, descending=True, stable=True)
    order_BK = order_BC[:, :shown]
    relations = _relations(branch.scorer, x)
    return {
        "gates": [_pack(gates_C[None]) for gates_C in gates_BC],
        "order": order_BK.tolist(),
        "activations": [_pack(x_CN[k].float() @ pooling.T) for x_CN, k in zip(x_BCN, order_BK, strict=True)],
        "relations": relations
        and [_pack(r_CC[k][:, k]) for r_CC, k in zip(relations, order_BK, strict=True)],
    }


def _pack(matrix: Tensor) -> str:
    """Base64 of: each row's lowest value, each row's highest (float32), then the matrix quantised to bytes between."""
    values = matrix.cpu().numpy()
    if not np.isfinite(values).all():
        raise ValueError(
            "expected attention that is finite numbers, got NaN or infinity: look at the network's weights."
        )
    low, high = values.min(axis=1), values.max(axis=1)
    span = np.where(high > low, high - low, 1)
    steps = np.rint((values - low[:, None]) / span[:, None] * 255).astype(np.uint8)
    packed = low.astype("<f4").tobytes() + high.astype("<f4").tobytes() + steps.tobytes()
    return base64.b64encode(packed).decode("ascii")


def _jpeg(picture: Tensor) -> str:
    """(3, H, W) uint8 -> a data URL; for display only, the networks see the image itself."""
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "jpeg", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
