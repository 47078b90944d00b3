"""Image files as tensors, whatever format and mode they have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from rga.data.transforms import Size, resize


def read_image(path: str | Path) -> Tensor:
    """The image in a file as uint8 RGB (3, H, W), upright by its EXIF tag, whatever format and mode it has.

    The content of the file tells the format, not its suffix. Raises FileNotFoundError, or ValueError if the file is
    not a whole image.
    """
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I"):  # Pillow would clip 16-bit values at 255 instead of scaling them
                image = Image.fromarray((np.array(image) / 256).clip(0, 255).astype(np.uint8))
            elif image.mode == "P":  # Pillow warns about a transparent palette unless it becomes RGBA first
                image = image.convert("RGBA")
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them into
        raise ValueError(
            f"{path} cannot be read as an image ({error}). The file is empty, cut short or of an unknown "
            "format: copy or extract it again."
        ) from error


def stack_images(paths: Sequence[str | Path], size: Size) -> Tensor:
    """The images in some files, each resized to (height, width): (B, 3, height, width) uint8, to look at."""
    return torch.stack([resize(read_image(path), size) for path in paths])
