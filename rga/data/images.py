"""Images as tensors: files of any format and mode, PIL images, arrays and tensors."""

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

Picture = str | Path | Image.Image | np.ndarray | Tensor  # what `to_rgb` takes

# Formats that Pillow only recognises, or reads with another program's help.
NO_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
SUFFIXES = tuple(
    suffix
    for suffix, kind in Image.registered_extensions().items()
    if kind in Image.OPEN and kind not in NO_PIXELS
)
EMPTY = "It has no pixels: leave it out. Was a box outside its frame?"
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
            return _rgb(image)
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them into
        advice = "The file is empty, cut short or of an unknown format: copy or extract it again."
        if isinstance(error, Image.DecompressionBombError):
            advice = "Save it smaller."
        if isinstance(path, str | Path) and is_unreadable_image(str(path)):
            advice = how_to_read([path])
        raise ValueError(f"{path} cannot be read as an image ({error}). {advice}") from error


def to_rgb(image: Picture) -> Tensor:
    """An image as uint8 RGB (3, H, W): a view of an array or a tensor where torch can make one.

    Args:
        image: a path (see `read_image`), a PIL image of any mode (turned upright by its EXIF tag, as a file), a uint8
            array (H, W, 3), RGB, or (H, W), grey, or a uint8 tensor (3, H, W), RGB. An array may be a view, such as
            `frame[..., ::-1]` of OpenCV's frames, whose colours are BGR.

    Raises:
        FileNotFoundError, ValueError: see `read_image` and `check_image`.
    """
    check_image(image)
    if isinstance(image, Image.Image):
        return _rgb(ImageOps.exif_transpose(image))  # a copy: the caller's stays as it is
    if isinstance(image, Tensor):
        return image.detach().cpu()
    if isinstance(image, np.ndarray):
        if min(image.strides) < 0 or not image.flags.writeable:  # torch takes no such views
            image = image.copy()
        if image.ndim == 2:
            return torch.from_numpy(image).expand(3, -1, -1)
        return torch.from_numpy(image).permute(2, 0, 1)
    return read_image(image)


def check_image(image: Picture, name: str = "image") -> None:
    """Raise ValueError if `to_rgb` cannot take an image, called `name`. The files that paths name are not opened."""
    if isinstance(image, np.ndarray | Tensor):
        _check_pixels(image, name)
    elif isinstance(image, Image.Image):
        try:
            image.load()  # here, because worker processes would share the position in a lazily opened file
        except Exception as error:  # see `read_image`
            raise ValueError(
                f"{name}: expected a whole PIL image, got one that cannot be loaded ({error}). Open it again, and "
                "keep its file open until it is loaded."
            ) from error
        if 0 in image.size:
            raise ValueError(f"{name}: expected pixels, got an empty PIL image {image.size}. {EMPTY}")
    elif not isinstance(image, str | os.PathLike):
        raise ValueError(
            f"{name}: expected a path, a PIL image, a uint8 array (height, width, 3) or (height, width), or a uint8 "
            f"tensor (3, height, width), got {type(image).__name__}. OpenCV gives None for what it cannot read."
        )


def _check_pixels(image: np.ndarray | Tensor, name: str) -> None:
    dtype, shape = str(image.dtype).removeprefix("torch."), tuple(image.shape)
    if isinstance(image, Tensor):
        wanted, right = "tensor (3, height, width), RGB", shape[:-2] == (3,)
        turn = "permute(2, 0, 1)"
    else:
        wanted, right = (
            "array (height, width, 3), RGB, or (height, width), grey",
            len(shape) == 2 or shape[2:] == (3,),
        )
        turn = "transpose(1, 2, 0)"
    if dtype == "uint8" and right and 0 not in shape:
        return
    if dtype != "uint8":
        advice = "Scale its values to 0 … 255 and convert them to uint8."
    elif right:
        advice = EMPTY
    elif len(shape) == 3 and 3 in (shape[0], shape[2]):
        advice = f"Move its axes: image.{turn}."
    else:
        advice = "Give one image at a time, with red, green and blue and no further channel."
    raise ValueError(f"{name}: expected a uint8 {wanted}, got {dtype} {shape}. {advice}")


def _rgb(image: Image.Image) -> Tensor:
    if image.mode.startswith("I"):  # Pillow would clip 16-bit values at 255 instead of scaling them
        image = Image.fromarray((np.array(image) / 256).clip(0, 255).astype(np.uint8))
    elif image.mode == "P":  # Pillow warns about a transparent palette unless it becomes RGBA first
        image = image.convert("RGBA")
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def _opened(path: str | Path) -> Image.Image:
    image = Image.open(path, formats=FORMATS)  # reads the header only; warns from 89 million pixels on
    if image.width * image.height > LARGEST:
        image.close()
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels are more than {LARGEST:,}")
    return image


def stack_images(paths: Sequence[str | Path], size: Size) -> Tensor:
    """The images in some files, each resized to (height, width): (B, 3, height, width) uint8, to look at."""
    return torch.stack([resize(read_image(path), size) for path in paths])
