"""Do image files look like whole scenes instead of crops of one person? Their sizes alone decide."""

from collections.abc import Sequence
from pathlib import Path

from PIL import ExifTags, Image

from rga.data.images import printable

LOOKED_AT = 200  # files, evenly spaced
UPRIGHT = 1.4  # height / width: more than upright photographs (4/3), less than people who stand or walk
QUARTER_TURNS = range(5, 9)  # EXIF orientations that swap height and width


def scene_warning(paths: Sequence[str | Path], what: str) -> str:
    """A warning if more than half of some image files, called `what`, are too wide for a crop of one person, else "".

    Only the headers of files are read, and of at most LOOKED_AT; files that cannot be read do not count. Upright
    scenes of 16:9 are not noticed.
    """
    count = min(len(paths), LOOKED_AT)
    sizes = [_size(paths[len(paths) * i // count]) for i in range(count)]
    sizes = [size for size in sizes if size]
    wide = [(name, height, width) for name, height, width in sizes if height < UPRIGHT * width]
    if 2 * len(wide) <= len(sizes):
        return ""
    name, height, width = wide[0]
    return (
        f"{what} look like whole scenes: {len(wide)} of {len(sizes)} looked at have a height below {UPRIGHT} times "
        f"their width, such as {name} ({width} × {height} pixels). Expected crops that one person fills: run a person "
        "detector first and cut the people out (rga.data.crop_boxes; docs/frames.md)."
    )


def _size(path: str | Path) -> tuple[str, int, int] | None:
    """(name, height, width) of an image as it is shown."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            # A PNG without EXIF in its header would be decoded whole by getexif, in search of one behind the pixels.
            turned = "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation) in QUARTER_TURNS
    except Exception:  # whoever reads the image names the fault
        return None
    return printable(Path(path).name), *((width, height) if turned else (height, width))
