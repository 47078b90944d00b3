"""From a uint8 image of any size to the network's input, as the paper does it, and back for plots."""

import torch
from torchvision.transforms import v2

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def train_transform(size: tuple[int, int]) -> v2.Compose:
    """uint8 (3, any, any) → float32 (3, height, width), augmented as the released code does.

    Half of the images are enlarged by 1.125 and cropped at random, half are mirrored, and half lose a random
    rectangle (2–40 % of the area, aspect 0.3–3.3), which becomes 0, the mean colour, after normalisation.
    """
    height, width = size
    enlarged = (round(1.125 * height), round(1.125 * width))
    return v2.Compose(
        [
            v2.RandomChoice([v2.Resize(size), v2.Compose([v2.Resize(enlarged), v2.RandomCrop(size)])]),
            v2.RandomHorizontalFlip(p=0.5),
            *_to_float(),
            v2.RandomErasing(p=0.5, scale=(0.02, 0.4), ratio=(0.3, 3.3), value=0),
        ]
    )


def test_transform(size: tuple[int, int]) -> v2.Compose:
    """uint8 (3, any, any) → float32 (3, height, width): bilinear resize with antialias, normalisation."""
    return v2.Compose([v2.Resize(size), *_to_float()])


def denormalise(images: torch.Tensor) -> torch.Tensor:
    """Network input (…, 3, H, W) back to colours between 0 and 1."""
    mean, std = images.new_tensor(IMAGENET_MEAN), images.new_tensor(IMAGENET_STD)
    return (images * std[:, None, None] + mean[:, None, None]).clamp(0, 1)


def _to_float() -> tuple[v2.Transform, v2.Transform]:
    return v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)
