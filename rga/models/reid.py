"""The re-identification network: a torchvision backbone, a BN neck, a classifier."""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import torchvision
from torch import Tensor, nn

RESNET_STAGES = ("layer1", "layer2", "layer3", "layer4")
# Where the four stages of each backbone end, by torchvision's names (MobileNetV2: strides 4, 8, 16, 16).
STAGES = {
    "resnet18": RESNET_STAGES,
    "resnet34": RESNET_STAGES,
    "resnet50": RESNET_STAGES,
    "resnet101": RESNET_STAGES,
    "mobilenet_v2": ("features.3", "features.6", "features.13", "features.17"),
}


class Output(NamedTuple):
    """The network's outputs for B images."""

    feature: Tensor  # (B, F), before the BN neck: the triplet loss compares these
    embedding: Tensor  # (B, F), after the BN neck: retrieval compares these
    logits: Tensor  # (B, num_pids), for the identity loss


class ReIDModel(nn.Module):
    """Backbone -> BN neck -> classifier (paper, section 4.1; the neck: Luo et al., CVPR workshops 2019).

    backbone: images (B, 3, H, W) -> pooled features (B, num_features). num_pids: classes of the classifier.
    forward: images (B, 3, *size), ImageNet-normalised -> Output; ValueError for images of another size.
    """

    def __init__(self, backbone: nn.Module, num_features: int, num_pids: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = tuple(size)
        self.backbone = backbone
        self.neck = nn.BatchNorm1d(num_features)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(num_features, num_pids, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)
        # Saved in checkpoints; `create_model` writes what the network can be built from again.
        self.config = {"backbone": type(backbone).__name__, "attention": "own", "num_pids": num_pids}
        self.config |= {"size": list(size), "weights": "as given", "init_gates": None, "trained_size": None}

    def forward(self, images: Tensor) -> Output:
        if tuple(images.shape[1:]) != (3, *self.size):
            raise ValueError(
                f"this network was built for images (B, 3, {self.size[0]}, {self.size[1]}), got "
                f"{tuple(images.shape)}: resize the images (rga.data.transforms.resize), build the "
                "network with size=(height, width) of these images, or move a trained one there with "
                "rga.models.resize."
            )
        feature = self.backbone(images)
        embedding = self.neck(feature)
        return Output(feature, embedding, self.classifier(embedding))


def by_hand(file: object, why: str = "") -> str:
    """The error for a file with a network that `create_model` cannot build again."""
    return (
        f"{file} holds a network built by hand{why}: its configuration does not say how. Build it as you did, then "
        "rga.checkpoint.load_model(FILE, model) loads the checkpoint into it; rga.evaluate, rga.search.build_index and "
        "rga.export.to_onnx take that model."
    )


def check_shape(num_pids: int, size: tuple[int, int], reduction: int | None) -> None:
    """ValueError for arguments of `create_model` that no network can have."""
    for name, value in {"num_pids": num_pids, "reduction": 1 if reduction is None else reduction}.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")
    sides = list(size) if isinstance(size, Sequence) else []
    if len(sides) != 2 or not all(isinstance(side, Integral) and side > 0 for side in sides):
        raise ValueError(f"size must be (height, width) in pixels, such as (256, 128), got {size!r}.")


def create_backbone(name: str) -> nn.Module:
    """A torchvision classification network by name, randomly initialised. ValueError for a name not in STAGES."""
    if name not in STAGES:
        raise ValueError(f"unknown backbone {name!r}: choose one of {', '.join(STAGES)}.")
    return torchvision.models.get_model(name, weights=None)


def remove_last_stride(network: nn.Module) -> None:
    """Let the last stage keep its resolution (stride 1 instead of 2), as re-identification networks do."""
    if isinstance(network, torchvision.models.MobileNetV2):
        network.features[14].conv[1][0].stride = (1, 1)
        return
    block = network.layer4[0]
    block.downsample[0].stride = (1, 1)
    # torchvision strides in the 3x3 convolution of a bottleneck, in the first convolution of a basic block.
    (block.conv2 if hasattr(block, "conv3") else block.conv1).stride = (1, 1)


def remove_classifier(network: nn.Module) -> int:
    """Make the network output its pooled features instead of ImageNet logits; returns their number."""
    if isinstance(network, torchvision.models.MobileNetV2):
        network.classifier = nn.Identity()
        return network.last_channel
    num_features, network.fc = network.fc.in_features, nn.Identity()
    return num_features
