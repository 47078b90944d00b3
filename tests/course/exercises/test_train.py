"""Checkers of notebook 03: they pass the solution, and meet each known mistake with its own hint."""

import pytest
import torch

from rga.course.exercises.train import check_hardest, hardest


def test_the_solution_passes():
    assert check_hardest(hardest) == "all stages passed"
    assert check_hardest(lambda d, y: [part.tolist() for part in hardest(d, y)]) == "all stages passed"
    assert (
        check_hardest(lambda d, y: [part.double().numpy() for part in hardest(d, y)]) == "all stages passed"
    )


def same(labels):
    return labels[:, None] == labels[None, :]


def masked(distances, mask, value):
    return distances.masked_fill(mask, value)


INF = torch.inf
WRONG = {
    "stage 1, it runs": lambda d, y: d.nonsense(),
    "stage 2, shapes": lambda d, y: (d, d),
    "farthest image of all": lambda d, y: (d.amax(1), masked(d, same(y), INF).amin(1)),
    "neither the nearest nor a mean": lambda d, y: (
        (d * same(y)).sum(1) / 3,
        masked(d, same(y), INF).amin(1),
    ),
    "all 0, the image itself": lambda d, y: (masked(d, ~same(y), -INF).amax(1), d.amin(1)),
    "not only the image itself": lambda d, y: (
        masked(d, ~same(y), -INF).amax(1),
        masked(d, torch.eye(len(y), dtype=bool), INF).amin(1),
    ),
    "stage 5, any order: IndexError": lambda d, y: hardest(d, y) if y[0] == y[1] else ([], [])[2],
    "stage 5, any order: it fails": lambda d, y: (
        torch.cat([d[:3, :3].amax(1), d[3:, 3:].amax(1)]),
        torch.cat([d[:3, 3:].amin(1), d[3:, :3].amin(1)]),
    ),
}


@pytest.mark.parametrize("hint", WRONG)
def test_known_mistakes_get_their_hint(hint):
    assert hint in check_hardest(WRONG[hint])
