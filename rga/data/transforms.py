"""Transforms: from a uint8 image of any size to the network's input, as the paper does it, and back for plots."""

import math
import random
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

__all__ = ["Draw", "crop", "denormalise", "draw", "enlarged", "erase", "flip", "normalise", "resize"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

ENLARGE = 1.125
ERASED_AREA = (0.02, 0.4)  # of the image
ERASED_ASPECT = (0.3, 1 / 0.3)  # height / width

Size = tuple[int, int]  # (height, width)


class Draw(NamedTuple):
    """The random parameters of one image's augmentation; `Draw(size)` is the plain resize that testing uses."""

    resized: Size  # the size asked for, or the enlarged one
    top: int = 0  # of the crop of the size asked for
    left: int = 0
    flipped: bool = False
    erased: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, height, width; height 0: nothing


def draw(seed: int, size: Size) -> Draw:
    """Random crop, horizontal flip and random erasing of one image: `seed` alone decides, no global generator is used.

    Half of the images are enlarged by 1.125 and cropped at random, half are flipped, and half lose a random
    rectangle. As in the released code (reid/utils/data/transforms.py), the rectangle's area (2–40 %) and aspect
    (0.3–3.3) are uniform, where torchvision's RandomErasing takes the logarithm of the aspect.
    """
    rng = random.Random(seed)
    resized = enlarged(size) if rng.random() < 0.5 else size
    top, left = (round(rng.uniform(0, large - small)) for large, small in zip(resized, size, strict=True))
    flipped = rng.random() < 0.5
    erased = _rectangle(rng, size) if rng.random() < 0.5 else (0, 0, 0, 0)
    return Draw(resized, top, left, flipped, erased)


def enlarged(size: Size) -> Size:
    """The size from which training crops are cut."""
    return round(ENLARGE * size[0]), round(ENLARGE * size[1])


def _rectangle(rng: random.Random, size: Size) -> tuple[int, int, int, int]:
    for _ in range(100):
        area = rng.uniform(*ERASED_AREA) * size[0] * size[1]
        aspect = rng.uniform(*ERASED_ASPECT)
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if height < size[0] and width < size[1]:
            # Not randint: Python promises the same numbers in its next version for random() alone.
            top = math.floor(rng.random() * (size[0] - height + 1))
            left = math.floor(rng.random() * (size[1] - width + 1))
            return top, left, height, width
    return 0, 0, 0, 0  # the image is too small or too narrow for one


def resize(image: Tensor, size: Size) -> Tensor:
    """(…, 3, any, any) uint8 -> (…, 3, height, width) uint8, bilinear with antialias."""
    return F.resize(image, list(size), antialias=True)


def crop(image: Tensor, size: Size, top: int, left: int) -> Tensor:
    """The part of size (height, width) of a larger image (…, 3, H, W) that begins at (top, left), a view."""
    return image[..., top : top + size[0], left : left + size[1]]


def flip(image: Tensor) -> Tensor:
    """An image (…, 3, H, W) flipped horizontally, left to right."""
    return image.flip(-1)


def normalise(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 -> float32: per channel, minus ImageNet's mean, over its standard deviation."""
    images = images.float()
    # One value a pixel, because a CPU takes three times as long to broadcast three interleaved values.
    mean, std = torch.empty_like(images[0]), torch.empty_like(images[0])
    for channel in range(3):
        mean[channel], std[channel] = 255 * IMAGENET_MEAN[channel], 255 * IMAGENET_STD[channel]
    return images.sub_(mean).div_(std)


def denormalise(images: Tensor) -> Tensor:
    """Network input (…, 3, H, W) back to colours between 0 and 1."""
    mean, std = images.new_tensor(IMAGENET_MEAN), images.new_tensor(IMAGENET_STD)
    return (images * std[:, None, None] + mean[:, None, None]).clamp(0, 1)


def erase(images: Tensor, rectangles: Tensor) -> Tensor:
    """Random erasing of normalised (B, 3, H, W), in place: the mean colour, 0, in (B, 4) top, left, height, width."""
    if images.is_cuda:  # one kernel for all of them, where starting one takes longer than its work
        top, left, height, width = rectangles.to(images.device, non_blocking=True).T[:, :, None]
        rows, columns = (torch.arange(n, device=images.device) for n in images.shape[2:])
        inside_rows, inside_columns = (
            (rows >= top) & (rows < top + height),
            (columns >= left) & (columns < left + width),
        )
        return images.masked_fill_((inside_rows[:, :, None] & inside_columns[:, None])[:, None], 0)
    for image, (top, left, height, width) in zip(images, rectangles.tolist(), strict=True):
        image[:, top : top + height, left : left + width] = 0
    return images
