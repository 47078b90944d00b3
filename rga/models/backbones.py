"""Backbones by name: torchvision's in STAGES, and as timm/NAME those of timm, where it is installed."""

from typing import NamedTuple

from torch import nn

from rga.models.hooks import dummy_forward
from rga.models.imagenet import load_imagenet
from rga.models.reid import STAGES, ReIDModel, create_backbone, remove_classifier, remove_last_stride
from rga.models.timm_backbones import PREFIX, cannot_build, check_timm, create_timm, timm_stages
from rga.models.weights_files import WeightsFile


class Backbone(NamedTuple):
    """A network without classifier, its last stride 1 where it can be."""

    network: nn.Module  # images (B, 3, H, W) -> pooled features (B, num_features)
    num_features: int
    weights: str  # what was loaded, in words


def is_timm(backbone: object) -> bool:
    """Whether this is the name of a network of timm, be it one that timm has or not."""
    return isinstance(backbone, str) and backbone.startswith(PREFIX)


def check_backbone(backbone: object) -> None:
    """ValueError, naming the choices, for a name that `create_model` does not know; nothing is built or loaded."""
    if is_timm(backbone):
        check_timm(backbone)
    elif backbone not in STAGES:
        raise ValueError(
            f"unknown backbone {backbone!r}: choose one of {', '.join(STAGES)}, or timm/NAME for a network of timm."
        )


def build_backbone(backbone: str, size: tuple[int, int], weights: WeightsFile | str | None) -> Backbone:
    """The backbone for images of `size`; weights as in `load_imagenet` and `create_timm`, whose errors it raises."""
    if not is_timm(backbone):
        network = create_backbone(backbone)
        described = load_imagenet(network, backbone, weights)
        remove_last_stride(network)
        return Backbone(network, remove_classifier(network), described)
    network, described = create_timm(backbone, size, weights)
    try:
        shape = tuple(dummy_forward(network, size).shape)
    except Exception as error:  # timm asserts, and torch raises many kinds
        raise ValueError(cannot_build(backbone, size, error)) from error
    if len(shape) != 2:
        raise ValueError(f"{backbone} outputs {shape} for one image, expected pooled features (1, F).")
    return Backbone(network, shape[1], described)


def backbone_stages(backbone: str, network: nn.Module) -> tuple[str, ...]:
    """The names of the modules that end the four stages of `network`, which `build_backbone` built."""
    return timm_stages(network) if is_timm(backbone) else STAGES[backbone]


def stage_names(model: ReIDModel) -> tuple[str, ...]:
    """The names, as in `model.named_modules()`, of the modules that end the four stages of the backbone.

    model: of `create_model`; ValueError for one that was built by hand.
    """
    backbone = model.config["backbone"]
    if backbone not in STAGES and not is_timm(backbone):
        raise ValueError(f"expected a network of create_model, got one built by hand, around a {backbone}.")
    return tuple(f"backbone.{stage}" for stage in backbone_stages(backbone, model.backbone))
