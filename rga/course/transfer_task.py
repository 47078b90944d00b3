"""The task of notebook 06: somebody's trained ResNet reads a digit; now it is to read the one that a mark points to.

Pictures and handwritings are those of `rga.data.cued_digits` (scikit-learn's, no download), with the cue "place": the
mark stands in its small field where the digit that is meant stands among the three.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from rga.course.cued_task import optimise
from rga.data.cued_digits import SIZE, draw
from rga.data.transforms import Size
from rga.models.hooks import evaluating

BATCH, LR = 32, 1e-3  # of Adam at its highest: one cycle, a fifth of it warm-up
GATE_MULTIPLE = 60  # times LR: the rate of the zero-initialised last layer of an attention
# The chance of each other digit to be in a training picture; in a test picture all three are.
DISTRACTORS = 0.5


def create_network() -> ResNet:
    """torchvision's ResNet with one block a stage, cut behind its second stage: (B, 3, 32, 32) -> (B, 10)."""
    network = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)
    network.layer3 = network.layer4 = nn.Identity()
    network.fc = nn.Linear(128, 10)
    return network


def pretrained(steps: int = 300) -> ResNet:
    """Somebody's network: it has learnt to read one digit alone, wherever it stands and whatever its colour."""
    torch.manual_seed(0)
    return train(create_network(), steps, seed=0, distractors=0)


def train(
    network: nn.Module, steps: int, seed: int, distractors: float = DISTRACTORS, size: Size = SIZE
) -> nn.Module:
    """Train a network in place on fresh pictures that the seed decides; it ends in eval mode.

    size: (height, width) to which the pictures are resized.
    """
    generator = torch.Generator().manual_seed(seed)
    batch = draw("place", steps * BATCH, generator, distractors=distractors)
    images = (_input(some, size) for some in batch.images.split(BATCH))
    return optimise(network, zip(images, batch.labels.split(BATCH), strict=True), steps, LR, GATE_MULTIPLE)


@torch.no_grad()
def accuracy(network: nn.Module, distractors: float = 1, size: Size = SIZE, count: int = 1000) -> float:
    """The share of `count` test pictures that are read right: the same pictures of other handwritings for everybody.

    distractors: the chance of each other digit to be there. size: (height, width) to which the pictures are resized.
    """
    batch = draw("place", count, torch.Generator().manual_seed(1), "test", distractors=distractors)
    with evaluating(network):
        found = torch.cat([network(_input(some, size)).argmax(1) for some in batch.images.split(250)])
    return (found == batch.labels).double().mean().item()


def _input(images: Tensor, size: Size) -> Tensor:
    if tuple(size) != SIZE:
        images = F.interpolate(images, size, mode="bilinear", antialias=True)
    return images.to(memory_format=torch.channels_last)
