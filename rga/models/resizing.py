"""resize: move a trained network to another input size by interpolating its weights over positions.

The idea is known from the position embeddings of vision transformers (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929,
section 3.2). In an RGA two layers run over the positions of a map, and both only sum over them: the relation
embedding of RGA-S and the node embeddings of RGA-C. Let A (N_old x N_new) be the bilinear resampling of a map from
the new grid to the one of the training. W' = W A then gives every new map x what W gave to A x. The rows of A
sum to 1, so that a sum over more positions does not grow, and the BatchNorm behind it sees what it saw before.

What it costs, measured on drawn people (rank-1 in %, recipe `quick`, trained at 128 x 64; with all gates taken out):

    96 x 48        128 x 64       160 x 80       192 x 96
    68.6 (65.7)    74.3 (71.4)    67.1 (65.0)    52.1 (47.1)

(results/resize.json; one network of one seed, 140 queries, of which one is 0.7 %.) The gates stay what they were: the
embeddings have a cosine of at least 0.9999 with those that gates made on the training grid and resampled would give.
What is lost is the backbone's: it sees people of another size than it learned.
"""

import copy
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rga.models.fc import SpatialFC
from rga.models.hooks import dummy_forward
from rga.models.map_layout import OnLayout, find_layout
from rga.models.reid import ReIDModel
from rga.models.rga import RGA, ChannelRGA, SpatialRGA

Grid = tuple[int, int]  # (height, width)


def resize(model: nn.Module, size: Grid) -> nn.Module:
    """A copy of `model` for inputs of another size; `model` stays as it is.

    model: a network on images (B, 3, H, W), or one RGA on its feature map. size: (height, width) of these inputs.
    The widths of all layers stay those of the training (N/8 of the old N), and so do all other weights: the same
    size gives the same network. Attentions without weights over positions need no change. Of RGA-C with
    embedding="none" the relations are only scaled, by N_old/N_new. A backbone of timm with a size of its own, such as
    ViT or Swin, is moved by timm (`set_input_size`, which resamples position embeddings). `config["trained_size"]`
    records the first size, so that checkpoints load. Raises ValueError for FC-S, which is bound to its grid, for a
    backbone that is bound to its size, and where nothing is bound to a size.
    """
    if any(isinstance(module, SpatialFC) for module in model.modules()):
        raise ValueError(
            "FC-S has one output per position of its training: build it with the new size instead."
        )
    resized = copy.deepcopy(model)
    attentions = [module for module in resized.modules() if isinstance(module, RGA | SpatialRGA | ChannelRGA)]
    if isinstance(resized, ReIDModel):
        resized.config["trained_size"] = resized.config["trained_size"] or list(resized.size)
        resized.config["size"], resized.size = list(size), tuple(size)
    elif not attentions:
        raise ValueError(f"expected a network with RGA to resize, found none in this {type(model).__name__}.")
    if resized in attentions:
        _move(resized, size)
    else:
        try:
            if hasattr(backbone := getattr(resized, "backbone", None), "set_input_size"):
                backbone.set_input_size(tuple(size))
            _move_all(resized, attentions, size)
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"this network cannot be moved to images of {size[0]} × {size[1]}: {error} Choose another size, or "
                "build a network with it and train that."
            ) from error
    return resized


def _move_all(network: nn.Module, attentions: list[nn.Module], size: Grid) -> None:
    """Move each RGA to the grid of the map that reaches it, measured with one blank image of the new size."""

    def hook(attention: nn.Module, inputs: tuple[Tensor]) -> None:
        _move(attention, inputs[0].shape[2:])

    def find(wrapped: OnLayout, inputs: tuple[Tensor]) -> None:
        wrapped.layout = find_layout(type(wrapped).__name__, inputs[0], size)

    with ExitStack() as hooks:
        for attention in attentions:
            hooks.enter_context(attention.register_forward_pre_hook(hook))
        for wrapped in (module for module in network.modules() if isinstance(module, OnLayout)):
            hooks.enter_context(wrapped.register_forward_pre_hook(find))
        dummy_forward(network, size)


@torch.no_grad()
def _move(attention: nn.Module, size: Grid) -> None:
    """Interpolate the weights over positions in an RGA, or in one branch of it, to the grid `size`, in place."""
    for branch in attention.modules():
        if isinstance(branch, SpatialRGA | ChannelRGA):
            score, old, branch.size = branch.score, branch.size, tuple(size)
            if isinstance(branch, SpatialRGA):
                score.num_nodes = size[0] * size[1]
                if score.has_relations:
                    towards, outwards = score.relate.weight.chunk(2, dim=1)
                    _replace(
                        score.relate,
                        torch.cat([_interpolate(w, old, size) for w in (towards, outwards)], dim=1),
                    )
            else:
                score.node_dim = size[0] * size[1]
                if score.num_embeddings:
                    _replace(score.embed, _interpolate(score.embed.weight, old, size))
                if score.has_relations and score.embedding == "none":
                    score.relate.weight *= old[0] * old[1] / score.node_dim


def _interpolate(weight: Tensor, old: Grid, new: Grid) -> Tensor:
    """W A of a 1x1 convolution over positions: (out, N_old, 1) -> (out, N_new, 1)."""
    rows, columns = (_resampling(*lengths).to(weight) for lengths in zip(old, new, strict=True))
    return (rows.T @ weight.unflatten(1, old)[..., 0] @ columns).flatten(1)[..., None]


def _resampling(old: int, new: int) -> Tensor:
    """The matrix (old, new) that resamples `new` numbers to `old` ones: bilinear, antialiased where it shrinks."""
    numbers_as_rows = torch.eye(new)[None, None]
    return F.interpolate(numbers_as_rows, size=(old, new), mode="bilinear", antialias=True)[0, 0]


def _replace(convolution: nn.Conv1d, weight: Tensor) -> None:
    convolution.in_channels = weight.shape[1]
    convolution.weight = nn.Parameter(weight, requires_grad=convolution.weight.requires_grad)
