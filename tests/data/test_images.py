"""Reading images of every kind."""

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data.images import (
    check_image,
    how_to_read,
    is_image,
    is_unreadable_image,
    printable,
    read_image,
    stack_images,
    to_rgb,
)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 12, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_lossless_formats_are_read_exactly(tmp_path, pixels, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path, lossless=True)
    image = read_image(path)
    assert image.dtype == torch.uint8 and image.shape == (3, 20, 12)
    np.testing.assert_array_equal(image.permute(1, 2, 0), pixels)
    assert torch.equal(read_image(str(path)), image)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("L", "png"),
        ("1", "png"),
        ("P", "png"),
        ("P", "gif"),
        ("LA", "png"),
        ("RGBA", "png"),
        ("CMYK", "tiff"),
    ],
)
def test_modes_become_rgb(tmp_path, pixels, mode, suffix):
    path = tmp_path / f"image.{suffix}"
    converted = Image.fromarray(pixels).convert(mode)
    converted.save(path)
    np.testing.assert_array_equal(read_image(path).permute(1, 2, 0), np.asarray(converted.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, mode):
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)[:, None].repeat(24, 1)[:, :, None].repeat(3, 2)
    Image.fromarray(ramp).convert(mode).save(tmp_path / "image.jpg", quality=95)
    difference = read_image(tmp_path / "image.jpg").permute(1, 2, 0).numpy().astype(int) - ramp
    assert abs(difference).max() <= 4


@pytest.mark.parametrize(("suffix", "order"), [("png", "<"), ("tiff", "<"), ("tiff", ">")])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix, order):
    values = np.linspace(0, 65535, 240).reshape(20, 12).astype(order + "u2")
    Image.fromarray(values).save(tmp_path / f"image.{suffix}")
    difference = read_image(tmp_path / f"image.{suffix}").numpy() - values / 257
    assert abs(difference).max() < 1


def test_a_palette_with_transparent_colours(tmp_path, pixels):
    image = Image.fromarray(pixels).quantize(16)
    image.save(tmp_path / "image.png", transparency=bytes([0, 100] + [255] * 14))
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.png").permute(1, 2, 0), np.asarray(image.convert("RGB"))
    )


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda upright: upright),
        (2, np.fliplr),
        (3, lambda upright: np.rot90(upright, 2)),
        (4, np.flipud),
        (5, lambda upright: upright.swapaxes(0, 1)),
        (6, lambda upright: np.rot90(upright, -1)),
        (7, lambda upright: np.rot90(upright, 2).swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_applied(tmp_path, pixels, suffix, orientation, turn):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path)
    as_stored = np.asarray(Image.open(path).convert("RGB"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path).permute(1, 2, 0), turn(as_stored))


@pytest.mark.parametrize("name", ["two words.png", "Ærø 行人 é.png", "png in truth.jpg", "none"])
def test_names_and_suffixes_do_not_matter(tmp_path, pixels, name):
    Image.fromarray(pixels).save(tmp_path / name, format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / name).permute(1, 2, 0), pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("part", [0, 0.03, 0.5])
def test_a_broken_image_is_named(tmp_path, pixels, suffix, part):
    path = tmp_path / f"broken.{suffix}"
    Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(
        ValueError, match=rf"broken\.{suffix} cannot be read as an image .*copy or extract it"
    ):
        read_image(path)


def test_a_file_that_is_no_image(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.png cannot be read"):
        read_image(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


def test_stack_images_resizes_to_one_size(tmp_path):
    for name, size in (("a.png", (5, 9)), ("b.png", (8, 4))):
        Image.new("RGB", size, (10, 20, 30)).save(tmp_path / name)
    stacked = stack_images([tmp_path / "a.png", tmp_path / "b.png"], (6, 3))
    assert stacked.shape == (2, 3, 6, 3)
    assert stacked.dtype == torch.uint8
    assert (stacked == torch.tensor([10, 20, 30])[:, None, None]).all()


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "jfif", "jpe", "jp2", "gif", "webp", "tif", "pgm"])
def test_what_pillow_reads_is_an_image(suffix):
    assert is_image(f"a.{suffix}") and not is_unreadable_image(f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["heic", "HEIF", "jxl", "svg", "dng"])
def test_other_images_are_known(suffix):
    assert is_unreadable_image(f"a folder/a.{suffix}")
    assert not is_image(f"a.{suffix}")


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.zip", "a.pdf", "a.mpg", "a.h5", "Thumbs.db", "jpg"])
def test_other_files_are_no_images(name):
    assert not is_image(name) and not is_unreadable_image(name)


def test_heic_names_its_package(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"a\.heic cannot be read .*pip install pillow-heif"):
        read_image(tmp_path / "a.heic")
    assert "pillow-heif" in how_to_read(["a.svg", "b.HEIC"]) and "PNG" in how_to_read(["a.svg"])


def test_names_that_are_no_text_are_printable():
    assert printable("zo\udce9/é.png") == r"zo\xe9/é.png"


@pytest.mark.parametrize(
    "view",
    [
        lambda pixels: pixels,
        lambda pixels: np.ascontiguousarray(pixels[..., ::-1])[..., ::-1],  # of BGR
        lambda pixels: np.asfortranarray(pixels),
        lambda pixels: np.kron(pixels, np.ones((2, 2, 1), np.uint8))[::2, ::2],
        lambda pixels: np.pad(pixels, ((3, 3), (3, 3), (0, 0)))[3:-3, 3:-3],
        lambda pixels: np.asarray(Image.fromarray(pixels)),  # read-only
        lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1),
        lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1).contiguous(),
        Image.fromarray,
    ],
)
def test_images_in_memory_are_those_of_files(tmp_path, pixels, view):
    Image.fromarray(pixels).save(tmp_path / "image.png")
    image = to_rgb(view(pixels))
    assert image.dtype == torch.uint8 and torch.equal(image, to_rgb(tmp_path / "image.png"))


def test_arrays_and_tensors_are_not_copied(pixels):
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    assert to_rgb(pixels).data_ptr() == to_rgb(tensor).data_ptr() == pixels.ctypes.data
    assert to_rgb(pixels[..., 0]).data_ptr() == pixels.ctypes.data


def test_a_grey_array_is_a_grey_file(tmp_path, pixels):
    Image.fromarray(pixels[..., 1]).save(tmp_path / "grey.png")
    assert torch.equal(to_rgb(pixels[..., 1]), read_image(tmp_path / "grey.png"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_pil_images_of_any_mode_are_those_of_files_and_stay_as_they_are(tmp_path, pixels, mode):
    image = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    image.save(path, exif=exif)
    with Image.open(path) as opened:
        before = opened.size, opened.mode, opened.getexif().get(0x0112)
        turned = to_rgb(opened)
        assert torch.equal(turned, read_image(path)) and turned.shape == (3, 12, 20)
        assert (opened.size, opened.mode, opened.getexif().get(0x0112)) == before
        assert torch.equal(to_rgb(opened), turned)


FLOAT = "Scale its values to 0 … 255 and convert them to uint8"


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros((9, 5, 3), np.float32), f"array .height, width, 3.*got float32 .9, 5, 3.. {FLOAT}"),
        (np.zeros((9, 5), bool), f"got bool .9, 5.. {FLOAT}"),
        (torch.zeros(3, 9, 5), rf"tensor \(3, height, width\), RGB, got float32 \(3, 9, 5\). {FLOAT}"),
        (np.zeros((3, 9, 5), np.uint8), r"got uint8 \(3, 9, 5\). Move its axes: image.transpose\(1, 2, 0\)"),
        (torch.zeros(9, 5, 3).byte(), r"got uint8 \(9, 5, 3\). Move its axes: image.permute\(2, 0, 1\)"),
        (np.zeros((9, 5, 4), np.uint8), r"got uint8 \(9, 5, 4\). Give .* red, green and blue and no further"),
        (np.zeros((2, 9, 5, 3), np.uint8), "Give one image at a time"),
        (np.zeros(9, np.uint8), "Give one image at a time"),
        (torch.zeros(9, 5).byte(), "Give one image at a time"),
        (np.zeros((0, 5, 3), np.uint8), r"got uint8 \(0, 5, 3\). It has no pixels: leave it out"),
        (torch.zeros(3, 9, 0).byte(), r"got uint8 \(3, 9, 0\). It has no pixels"),
        (Image.new("RGB", (0, 4)), r"got an empty PIL image \(0, 4\). It has no pixels"),
        (None, "a path, a PIL image, .* got NoneType. OpenCV gives None"),
        ([[1, 2], [3, 4]], "a path, a PIL image, .* got list"),
    ],
)
def test_what_is_no_image_is_named(image, message):
    for check in (to_rgb, check_image):
        with pytest.raises(ValueError, match=f"image: expected .*{message}"):
            check(image)
    with pytest.raises(ValueError, match=r"images\[7\]: expected"):
        check_image(image, "images[7]")


def test_a_pil_image_that_cannot_be_loaded_is_named(tmp_path, pixels):
    Image.fromarray(pixels).save(path := tmp_path / "cut.bmp")
    path.write_bytes(path.read_bytes()[:300])
    with Image.open(path) as image, pytest.raises(ValueError, match="image: .*cannot be loaded .*truncated"):
        to_rgb(image)
    Image.fromarray(pixels).save(path)
    with Image.open(path) as closed:
        pass
    with pytest.raises(ValueError, match="cannot be loaded .*keep its file open"):
        to_rgb(closed)
