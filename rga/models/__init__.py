"""The networks: choose a backbone, and the attention behind each of its four stages."""

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import nn

from rga.models.attaching import attach
from rga.models.attentions import ATTENTION
from rga.models.backbones import backbone_stages, build_backbone, check_backbone, stage_names
from rga.models.cbam import CBAM
from rga.models.fc import FC
from rga.models.fine_tuning import load_own
from rga.models.gates import GateInit, make_gate
from rga.models.non_local import NonLocal, SimplifiedNonLocal
from rga.models.reid import STAGES, Output, ReIDModel, check_shape
from rga.models.released import load_released, released_state_dict
from rga.models.resizing import resize
from rga.models.rga import RGA, ChannelRGA, RelationScore, SpatialRGA
from rga.models.se import SE
from rga.models.weights_files import read_weights

__all__ = [
    "ATTENTION",
    "CBAM",
    "FC",
    "RGA",
    "SE",
    "STAGES",
    "ChannelRGA",
    "NonLocal",
    "Output",
    "ReIDModel",
    "RelationScore",
    "SimplifiedNonLocal",
    "SpatialRGA",
    "attach",
    "create_model",
    "load_released",
    "released_state_dict",
    "resize",
    "stage_names",
]


def create_model(
    backbone: str = "resnet50",
    attention: str = "rga_sc",
    *,
    num_pids: int,
    size: tuple[int, int] = (256, 128),
    weights: str | Path | None = None,
    init_gates: GateInit = "released",
    trained_size: tuple[int, int] | None = None,
    stages: Sequence[int] = (1, 2, 3, 4),
    reduction: int | None = None,
) -> ReIDModel:
    """A re-identification network: a backbone, last stride 1, attention after its four stages.

    Args:
        backbone: a key of STAGES (torchvision), or "timm/NAME", any network of timm by its name there, with or without
            the tag of its weights ("timm/resnet50.a1_in1k"); its stages are those of `stage_names`, and where timm
            offers no output_stride its last stride stays.
        attention: a key of ATTENTION.
        num_pids: training identities, the classifier's classes.
        size: (height, width) of the images, at least (64, 32).
        weights: None (random), "imagenet" (of timm: its pretrained weights, whatever they saw) or the path of a
            file: a state dict of the backbone, also inside another project's checkpoint, or a checkpoint of this
            package, which gives its attentions and neck, too, and never its classifier (of one without attention: only
            the backbone, where an attention is asked for).
        init_gates: "released" (gates start as random maps) or "identity" (they start at 1); non-local blocks have
            no gates.
        trained_size: build the network for images of this size, then move it to `size` with `resize`.
        stages: behind which of the four stages the attention stands.
        reduction: bottleneck ratio of the attention; None for its own default (RGA: 8).

    Returns:
        The model; `model.config` holds these arguments (weights in words), and checkpoints save it.

    Raises:
        ValueError, FileNotFoundError: naming the choices.
    """
    if attention not in list(ATTENTION):  # which takes a list, too
        raise ValueError(f"unknown attention {attention!r}: choose one of {', '.join(ATTENTION)}.")
    for sides in (size, trained_size or size):
        check_shape(num_pids, sides, reduction)
    make_gate(nn.Identity(), init_gates)  # raises for a wrong word also where nothing has a gate
    check_backbone(backbone)
    source = weights if weights in (None, "imagenet") else read_weights(Path(weights))
    config = getattr(source, "config", None)
    # The backbone of a network without attention is one more file of a backbone.
    fine_tuned = config is not None and (attention == "none" or config.get("attention") != "none")
    moved = fine_tuned and config.get("trained_size")
    built_size = tuple(trained_size or size)
    network, num_features, described = build_backbone(backbone, built_size, None if fine_tuned else source)
    if not stages or set(stages) - {1, 2, 3, 4}:
        raise ValueError(f"stages are some of 1, 2, 3 and 4, at least one, got {stages!r}.")
    changed = {"stages": sorted(set(stages)), "reduction": reduction}
    changed = {name: value for name, value in changed.items() if value not in ([1, 2, 3, 4], None)}
    if ATTENTION[attention] is not None:
        make = partial(ATTENTION[attention], init_gates=init_gates)
        if reduction is not None:
            if "reduction" not in inspect.signature(make).parameters:
                raise ValueError(f"attention {attention!r} has no bottleneck: leave reduction out.")
            make = partial(make, reduction=reduction)
        names = backbone_stages(backbone, network)
        try:
            attach(network, [names[stage - 1] for stage in sorted(set(stages))], make, built_size)
        except ValueError as error:  # not every network of timm has maps at the levels that it names
            raise ValueError(
                f"{backbone} takes no attention behind its stages ({', '.join(names)}) for images of {built_size[0]} × "
                f"{built_size[1]}: {error} create_model takes the stages as they are: choose another size or backbone, "
                "or put attentions behind modules of your choice with rga.models.attach."
            ) from error
    model = ReIDModel(network, num_features, num_pids, built_size)
    model.config = {
        "backbone": backbone,
        "attention": attention,
        "num_pids": num_pids,
        "size": list(built_size),
        "weights": described,
        "init_gates": init_gates,
        "trained_size": None,
        **changed,  # only if not the default, so that checkpoints of earlier versions are the same
    }
    if fine_tuned and not moved:
        model.config["weights"] = load_own(model, source)
    if trained_size is not None:
        model = resize(model, size)
    if moved:
        model.config["weights"] = load_own(model, source)
    return model
