"""Image files as tensors, whatever format and mode they have."""

import importlib.util
import mimetypes
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from rga.data.transforms import Size, resize

if importlib.util.find_spec("pillow_heif"):  # optional: photographs of telephones
    import pillow_heif

    pillow_heif.register_heif_opener()

# Formats that Pillow only recognises, or reads with another program's help.
NO_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
SUFFIXES = tuple(
    suffix
    for suffix, kind in Image.registered_extensions().items()
    if kind in Image.OPEN and kind not in NO_PIXELS
)
# What `read_image` tries: by their content the others would be found, too, and Pillow starts Ghostscript for EPS.
FORMATS = tuple(kind for kind in Image.OPEN if kind not in NO_PIXELS)
LARGEST = 2**27  # pixels: 134 million, 400 MB as RGB; some telephones take 108 million
HEIC = (".heic", ".heif", ".hif")
OTHERS = (*HEIC, ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf")


def is_image(name: str) -> bool:
    """Whether a file is an image that Pillow reads, by its suffix."""
    return name.lower().endswith(SUFFIXES)


def is_unreadable_image(name: str) -> bool:
    """Whether a file is an image by its suffix, but none that Pillow reads."""
    kind, _ = mimetypes.guess_type(name.lower().rpartition("/")[2])
    return not is_image(name) and (name.lower().endswith(OTHERS) or (kind or "").startswith("image/"))


def how_to_read(names: Iterable[str | Path]) -> str:
    """What to do about images that Pillow does not read, a sentence."""
    if any(str(name).lower().endswith(HEIC) for name in names):
        return "HEIC is read with the package pillow-heif: pip install pillow-heif."
    return "Save them as PNG or JPEG."


def printable(text: str | Path) -> str:
    """File names are bytes: those that are no UTF-8, which no terminal prints, as \\xe9."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def read_image(path: str | Path) -> Tensor:
    """The image in a file as uint8 RGB (3, H, W), upright by its EXIF tag, whatever format and mode it has.

    The content of the file tells the format, not its suffix. Raises FileNotFoundError, or ValueError if the file is
    not a whole image, or has more than LARGEST pixels.
    """
    try:
        with _opened(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I"):  # Pillow would clip 16-bit values at 255 instead of scaling them
                image = Image.fromarray((np.array(image) / 256).clip(0, 255).astype(np.uint8))
            elif image.mode == "P":  # Pillow warns about a transparent palette unless it becomes RGBA first
                image = image.convert("RGBA")
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them into
        advice = "The file is empty, cut short or of an unknown format: copy or extract it again."
        if isinstance(error, Image.DecompressionBombError):
            advice = "Save it smaller."
        if isinstance(path, str | Path) and is_unreadable_image(str(path)):
            advice = how_to_read([path])
        raise ValueError(f"{path} cannot be read as an image ({error}). {advice}") from error


def _opened(path: str | Path) -> Image.Image:
    image = Image.open(path, formats=FORMATS)  # reads the header only; warns from 89 million pixels on
    if image.width * image.height > LARGEST:
        image.close()
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels are more than {LARGEST:,}")
    return image


def stack_images(paths: Sequence[str | Path], size: Size) -> Tensor:
    """The images in some files, each resized to (height, width): (B, 3, height, width) uint8, to look at."""
    return torch.stack([resize(read_image(path), size) for path in paths])
