"""The networks: choose a backbone and what attends behind each of its four stages."""

from functools import partial
from pathlib import Path

from rga.models.attach import Attention, attach
from rga.models.imagenet import load_imagenet
from rga.models.reid import STAGES, Output, ReIDModel, create_backbone, remove_classifier, remove_last_stride
from rga.models.released import load_released, released_state_dict
from rga.models.rga import RGA, ChannelRGA, Gates, RelationScore, SpatialRGA

__all__ = [
    "ATTENTION",
    "RGA",
    "STAGES",
    "ChannelRGA",
    "Output",
    "ReIDModel",
    "RelationScore",
    "SpatialRGA",
    "attach",
    "create_model",
    "load_released",
    "released_state_dict",
]

# Each is called with (channels, (height, width), init_gates=...) of the feature map it will see.
ATTENTION: dict[str, Attention | None] = {
    "none": None,
    "rga_s": partial(RGA, channel=False),
    "rga_c": partial(RGA, spatial=False),
    "rga_sc": RGA,
}


def create_model(
    backbone: str = "resnet50",
    attention: str = "rga_sc",
    *,
    num_pids: int,
    size: tuple[int, int] = (256, 128),
    weights: str | Path | None = None,
    init_gates: Gates = "released",
) -> ReIDModel:
    """A re-identification network: torchvision backbone, last stride 1, attention after its four stages.

    backbone: a key of STAGES. attention: a key of ATTENTION. num_pids: training identities. size: (height,
    width) of the images, at least (64, 32). weights: None (random), "imagenet" or the path of a state dict of the
    backbone. init_gates: "released" (gates start as random maps) or "identity" (they start at 1).
    `model.config` holds these arguments (weights in words): the checkpoint keeps them.
    Raises ValueError or FileNotFoundError that name the choices.
    """
    if attention not in ATTENTION:
        raise ValueError(f"unknown attention {attention!r}: choose one of {', '.join(ATTENTION)}.")
    network = create_backbone(backbone)
    described = load_imagenet(network, backbone, weights)
    remove_last_stride(network)
    num_features = remove_classifier(network)
    if ATTENTION[attention] is not None:
        attach(network, STAGES[backbone], partial(ATTENTION[attention], init_gates=init_gates), size)
    model = ReIDModel(network, num_features, num_pids, size)
    model.config = {
        "backbone": backbone,
        "attention": attention,
        "num_pids": num_pids,
        "size": list(size),
        "weights": described,
        "init_gates": init_gates,
    }
    return model
