"""Transforms: shapes, colours, exact values of the plain resize, and the frequencies of the augmentation."""

import random

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from rga.data import transforms
from rga.data.transforms import Draw, draw

SIZE = (256, 128)
MEAN = torch.tensor(transforms.IMAGENET_MEAN)[:, None, None]
STD = torch.tensor(transforms.IMAGENET_STD)[:, None, None]


def noise(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).byte()


@pytest.fixture(scope="module")
def draws():
    return [draw(seed, SIZE) for seed in range(4000)]


def test_half_are_enlarged_half_are_mirrored_half_lose_a_rectangle(draws):
    events = np.array([(d.resized != SIZE, d.flipped, d.erased[2] > 0) for d in draws]).T
    assert abs(events.mean(1) - 0.5).max() < 0.04
    assert abs(np.corrcoef(events) - np.eye(3)).max() < 0.06, "they are independent"


def test_crops_lie_inside_and_reach_the_borders(draws):
    assert {d[:3] for d in draws if d.resized == SIZE} == {(SIZE, 0, 0)}
    cut = [d for d in draws if d.resized != SIZE]
    assert {d.resized for d in cut} == {(288, 144)}
    assert {d.top for d in cut} == set(range(33)) and {d.left for d in cut} == set(range(17))


def test_rectangles_are_the_released_codes(draws):
    """Area and aspect are uniform; the few that would not fit are drawn again."""
    top, left, height, width = np.array([d.erased for d in draws if d.erased[2]]).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height).max() == SIZE[0] and (left + width).max() == SIZE[1]
    area, aspect = height * width / (SIZE[0] * SIZE[1]), height / width
    assert 0.019 < area.min() < 0.03 and 0.38 < area.max() < 0.405
    assert 0.29 < aspect.min() < 0.4 and 3.2 < aspect.max() < 3.4
    fitting = area < 0.15  # such a rectangle fits at any aspect
    assert np.median(area[fitting]) == pytest.approx((0.02 + 0.15) / 2, abs=0.01)
    assert np.median(aspect[fitting]) == pytest.approx((0.3 + 1 / 0.3) / 2, abs=0.15)


def test_a_seed_decides_its_draw_and_leaves_the_generators_alone():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert draw(2**62, SIZE) == draw(2**62, SIZE)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
    assert len({draw(seed, SIZE) for seed in range(100)}) > 70  # a quarter is neither enlarged nor erased


def test_the_same_numbers_on_every_machine():
    assert draw(1, SIZE) == Draw((288, 144), 27, 12, True, (108, 7, 119, 52))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (64, 32), (33, 47), (32, 200)])
def test_draws_fit_any_size(size):
    for seed in range(200):
        d = draw(seed, size)
        assert d.top + size[0] <= d.resized[0] and d.left + size[1] <= d.resized[1]
        top, left, height, width = d.erased
        assert min(d.erased) >= 0 and top + height <= size[0] and left + width <= size[1]


@pytest.mark.parametrize("size", [(64, 32), (256, 128), (33, 47)])
@pytest.mark.parametrize("source", [(160, 60), (64, 32), (1, 1), (20, 300)])
def test_resize_is_antialiased_bilinear(size, source):
    image = noise(3, *source)
    expected = interpolate(image[None].float(), size, mode="bilinear", antialias=True)[0]
    resized = transforms.resize(image, size)
    assert resized.shape == (3, *size) and resized.dtype == torch.uint8
    assert (resized - expected).abs().max() <= 1  # whole numbers, rounded after each direction
    colours_last = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(transforms.resize(colours_last, size), resized), "the order in memory changes nothing"


def test_crop_and_flip():
    image = noise(2, 3, 20, 10)
    cut = transforms.crop(image, (16, 8), 3, 1)
    assert torch.equal(cut, image[:, :, 3:19, 1:9])
    assert torch.equal(transforms.flip(cut)[..., 0], cut[..., -1])
    assert torch.equal(transforms.flip(transforms.flip(cut)), cut)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_normalise_and_back(memory_format):
    images = noise(2, 3, 20, 10).contiguous(memory_format=memory_format)
    before = images.clone()
    normalised = transforms.normalise(images)
    assert normalised.dtype == torch.float32 and torch.equal(images, before)
    assert normalised.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(normalised, (images / 255 - MEAN) / STD)
    torch.testing.assert_close(transforms.denormalise(normalised), images / 255)
    torch.testing.assert_close(transforms.denormalise(normalised[1]), images[1] / 255)
    assert transforms.denormalise(normalised * 100).aminmax() == (0, 1)


def test_erase_makes_rectangles_the_mean_colour():
    images = torch.ones(3, 3, 20, 10)
    erased = transforms.erase(images, torch.tensor([(0, 0, 0, 0), (2, 3, 5, 4), (19, 9, 1, 1)]))
    assert erased is images
    assert (images == 0).sum((1, 2, 3)).tolist() == [0, 60, 3]
    assert (images[1, :, 2:7, 3:7] == 0).all() and (images[2, :, 19, 9] == 0).all()
    torch.testing.assert_close(transforms.denormalise(images)[1, :, 2, 3], MEAN[:, 0, 0])
