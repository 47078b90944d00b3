"""Backbones from timm (PyTorch Image Models, Wightman 2019): any of its networks by name, and its pretrained weights.

timm is optional (`pip install "rga[timm]"`), and it does the work: it builds the network, loads its own weights (and
resamples position embeddings to our size of images), and says where its levels end (`feature_info`).
"""

import difflib
from types import ModuleType

import torch
from torch import Tensor, nn

from rga.models.weights_files import WeightsFile, backbone_state, differences

PREFIX = "timm/"
RENORMALISE = "renormalise"  # the name of that module in the network


class Renormalise(nn.Module):
    """Images (B, 3, H, W) normalised by ImageNet's mean and standard deviation -> by those of the network's training.

    mean, std: of the three channels, 0 … 1.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        imagenet_mean, imagenet_std = map(torch.tensor, _imagenet_normalisation())
        mean, std = torch.tensor(mean), torch.tensor(std)
        # Saved in checkpoints, so that a network keeps them whatever a later timm says of its name.
        self.register_buffer("scale", (imagenet_std / std).view(3, 1, 1))
        self.register_buffer("shift", ((imagenet_mean - mean) / std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.scale + self.shift


def check_timm(backbone: str) -> None:
    """ValueError unless `backbone` is "timm/NAME" of a network that the installed timm has, with or without a tag."""
    timm, name = _timm(backbone), backbone.removeprefix(PREFIX)
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=5)
        raise ValueError(
            f"unknown backbone {backbone!r}: timm {timm.__version__} has no network {architecture!r}"
            + (f", nearest are {', '.join(PREFIX + other for other in near)}" if near else "")
            + "; timm.list_models() lists all."
        )
    tags = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tags:
        raise ValueError(
            f"unknown backbone {backbone!r}: timm {timm.__version__} has no weights {tag!r} of this network, but "
            f"{', '.join(PREFIX + other for other in tags) or 'none'}."
        )


def create_timm(
    backbone: str, size: tuple[int, int], weights: WeightsFile | str | None
) -> tuple[nn.Module, str]:
    """A timm network for images of `size`, without classifier, and what was loaded into it, in words.

    backbone: "timm/NAME". size: (height, width); networks of a fixed input size, such as ViT, are built for it. The
    last stage keeps its resolution where timm has that as an option: output_stride=16, which dilates the convolutions
    behind the stride that is left out; other networks keep their strides. weights: None leaves the random
    initialisation; "imagenet" takes timm's pretrained weights of that name; else a file of weights of this network, of
    timm or of another project around it. Images are given as everywhere here, normalised by ImageNet's mean and
    standard deviation; `Renormalise` is put in front where timm's configuration has others.

    Raises ValueError where timm cannot build the network for this size, has no weights for it, or they do not fit;
    FileNotFoundError if there is no way to download them.
    """
    check_timm(backbone)
    timm, name = _timm(backbone), backbone.removeprefix(PREFIX)
    options = {"img_size": tuple(size)} if timm.get_pretrained_cfg(name).fixed_input_size else {}
    try:
        network = timm.create_model(name, output_stride=16, **options)
        options["output_stride"] = 16
    except Exception:  # networks without this option say so in their own ways
        try:
            network = timm.create_model(name, **options)
        except Exception as error:
            raise ValueError(cannot_build(backbone, size, error)) from error
    described = "random initialisation (no pretraining)"
    if weights == "imagenet":
        network = _pretrained(name, options)
        described = f"pretrained (timm/{name.partition('.')[0]}.{network.pretrained_cfg.get('tag', '')})"
    elif weights is not None:
        network, described = _from_file(name, options, weights)
    network.reset_classifier(0)
    normalisation = tuple(tuple(network.pretrained_cfg[key]) for key in ("mean", "std"))
    if normalisation != _imagenet_normalisation():
        network.add_module(RENORMALISE, Renormalise(*normalisation))
        network.register_forward_pre_hook(_renormalise)
    return network, described


def cannot_build(backbone: str, size: tuple[int, int], error: Exception) -> str:
    """The error for a timm network that does not work on images of this size."""
    return (
        f"timm does not build {backbone} for images of {size[0]} × {size[1]} ({type(error).__name__}: {error}): choose "
        "another size (patches and windows have to divide it), or another backbone."
    )


def timm_stages(network: nn.Module) -> tuple[str, ...]:
    """The names of the modules that end the four stages of a timm network, by its `feature_info`.

    Of one that halves its resolution at every level, the last four levels. Of one whose blocks all have the same
    resolution, such as ViT, four blocks at equal distances; the last block is not among them where the network pools
    the class token, which no attention on the positions behind that block could reach. Raises ValueError for a network
    without four levels.
    """
    levels = list(getattr(network, "feature_info", None) or [])
    names = [level.get("module") for level in levels]
    if len(names) > 4 and len({level["reduction"] for level in levels}) == 1:
        if getattr(network, "global_pool", None) == "token":
            names.pop()
        names = [names[len(names) * quarter // 4 - 1] for quarter in (1, 2, 3, 4)]
    names = [name for name in names[-4:] if name]
    if len(names) < 4:
        raise ValueError(
            f"timm names {len(names)} levels of {type(network).__name__}, and attention stands behind four stages: "
            "choose another backbone, attention='none', or put attentions behind modules of your choice with "
            "rga.models.attach."
        )
    return tuple(names)


def _pretrained(name: str, options: dict) -> nn.Module:
    """With the weights that timm downloads, strictly: the classifier is there, too."""
    import timm

    cfg = timm.get_pretrained_cfg(name)
    if not (cfg.hf_hub_id or cfg.url):
        others = [PREFIX + other for other in timm.list_pretrained(f"{name.partition('.')[0]}.*")]
        raise ValueError(
            f"timm has no pretrained weights of {name}: choose weights=None or "
            + (f"one of {', '.join(others)}." if others else "another backbone.")
        )
    source = f"{cfg.hf_hub_id} on the Hugging Face Hub" if cfg.hf_hub_id else cfg.url
    try:
        return timm.create_model(name, pretrained=True, **options)
    except OSError as error:
        raise FileNotFoundError(
            f"expected to download timm's weights of {name} ({source}), got: {error} "
            "Fetch that file (model.safetensors) on a machine with a network and pass its path as weights=, or copy "
            "that machine's cache of the hub."
        ) from error
    except Exception as error:  # as in safe_load
        raise ValueError(
            f"expected timm's weights of {name} ({source}), could not load them ({type(error).__name__}): delete the "
            "file in the cache, and it is downloaded anew."
        ) from error


def _from_file(name: str, options: dict, file: WeightsFile) -> tuple[nn.Module, str]:
    """With the weights in a file, strictly: the network gets the classifier that the file has, or none."""
    import timm

    state, wrapped = backbone_state(file)
    described = f"weights file {file.described}" + (f", {wrapped}" if wrapped else "")
    state = {key: tensor for key, tensor in state.items() if not key.startswith(f"{RENORMALISE}.")}
    heads = timm.get_pretrained_cfg(name).classifier or ()
    head = state.get(f"{heads if isinstance(heads, str) or not heads else heads[0]}.weight")
    classes = 0 if head is None else len(head)
    overlay = {"state_dict": state, "num_classes": classes, "label_offset": 0, "custom_load": False}
    options = options | {"num_classes": classes}
    try:
        network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except Exception:  # timm's filters of old names may stumble over any file
        expected = timm.create_model(name, **options).state_dict()
        raise ValueError(
            f"{described} does not fit this backbone: expected {len(expected)} tensors, got {len(state)}; "
            f"{differences(state, expected)}. Choose the backbone that the file was saved from."
        ) from None
    del network.pretrained_cfg["state_dict"]  # a second copy of the weights
    return network, described


def _timm(backbone: str) -> ModuleType:
    try:
        import timm  # only here: it is optional
    except ImportError as error:
        raise ValueError(
            f'backbone {backbone!r} needs timm, not installed here: pip install "rga[timm]".'
        ) from error
    return timm


def _imagenet_normalisation() -> tuple[tuple[float, ...], tuple[float, ...]]:
    from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

    return IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD


def _renormalise(network: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """A forward pre-hook; a function of this file, so that a copied or pickled network finds it, and its own module."""
    return getattr(network, RENORMALISE)(inputs[0])
