"""Transforms: shapes, colours, exact values of the plain resize, and the frequencies of the augmentation."""

import pytest
import torch
from torch.nn.functional import interpolate

from rga.data import transforms

SIZE = (64, 32)
MEAN = torch.tensor(transforms.IMAGENET_MEAN)[:, None, None]
STD = torch.tensor(transforms.IMAGENET_STD)[:, None, None]


def noise(height, width):
    return torch.randint(256, (3, height, width), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("transform", [transforms.train_transform, transforms.test_transform])
@pytest.mark.parametrize("size", [(64, 32), [256, 128], (33, 47)])
@pytest.mark.parametrize("source", [(160, 60), (64, 32), (1, 1), (20, 300)])
def test_any_image_becomes_float_of_the_size_asked_for(transform, size, source):
    image = transform(size)(noise(*source))
    assert image.shape == (3, *size) and image.dtype == torch.float32
    assert image.isfinite().all()


def test_test_transform_is_antialiased_bilinear_and_imagenet_normalisation():
    image = noise(160, 60)
    expected = interpolate(image[None].float(), SIZE, mode="bilinear", antialias=True)[0]
    difference = transforms.test_transform(SIZE)(image) - (expected / 255 - MEAN) / STD
    assert (difference * STD * 255).abs().max() <= 1  # the uint8 resize rounds


def test_test_transform_draws_nothing_at_random():
    before = torch.get_rng_state()
    transforms.test_transform(SIZE)(noise(160, 60))
    assert torch.equal(torch.get_rng_state(), before)


def test_denormalise_undoes_the_normalisation_of_one_image_or_many():
    image = noise(*SIZE)
    normalised = transforms.test_transform(SIZE)(image)
    torch.testing.assert_close(transforms.denormalise(normalised), image / 255)
    batch = torch.stack([normalised, normalised])
    torch.testing.assert_close(transforms.denormalise(batch)[1], image / 255)
    assert transforms.denormalise(batch * 100).aminmax() == (0, 1)


def test_training_draws_follow_the_papers_probabilities():
    """2000 draws of a ramp whose left-right order, enlargement and erased area can be read off the result."""
    height, width = SIZE
    row = (
        torch.linspace(60, 200, width).round().byte()
    )  # no pixel is near 0 after normalisation but erased ones
    ramp = row.expand(3, height, width)
    plain = transforms.test_transform(SIZE)(ramp)
    transform = transforms.train_transform(SIZE)
    draws, areas, mirrored, enlarged, looked_at = 2000, [], 0, 0, 0
    torch.manual_seed(0)
    for _ in range(draws):
        image = transform(ramp)
        erased = (image == 0).all(0)
        areas.append(erased.float().mean().item())
        whole_rows = image[:, ~erased.any(1)]
        if whole_rows.shape[1] == 0:
            continue
        looked_at += 1
        line = whole_rows[:, 0]
        mirrored += bool(line[0, 0] > line[0, -1])
        span = line[0].max() - line[0].min()
        enlarged += bool(span < 0.97 * (plain[0].max() - plain[0].min()))
    share = torch.tensor(areas)
    assert abs((share > 0).float().mean() - 0.5) < 0.04
    assert 0.015 < share[share > 0].min() < 0.04 and 0.37 < share.max() < 0.42
    assert looked_at > 0.8 * draws
    assert abs(mirrored / looked_at - 0.5) < 0.04
    assert abs(enlarged / looked_at - 0.5) < 0.04


def test_erased_rectangles_keep_to_the_aspect_and_are_the_mean_colour():
    transform = transforms.train_transform((96, 96))
    torch.manual_seed(1)
    shapes = []
    for _ in range(300):
        image = transform(torch.full((3, 50, 50), 255, dtype=torch.uint8))
        rows, columns = (image == 0).all(0).nonzero(as_tuple=True)
        if len(rows):
            shapes.append((rows.max() - rows.min() + 1, columns.max() - columns.min() + 1, len(rows)))
    assert all(height * width == area for height, width, area in shapes), "one solid rectangle"
    ratios = torch.tensor([height / width for height, width, _ in shapes])
    assert ratios.min() > 0.27 and ratios.max() < 3.6  # rounding to whole pixels included
    assert ratios.min() < 0.5 and ratios.max() > 2


def test_same_seed_same_augmentation():
    image, transform = noise(160, 60), transforms.train_transform(SIZE)
    first, second = (torch.manual_seed(3) and transform(image) for _ in range(2))
    assert torch.equal(first, second)
