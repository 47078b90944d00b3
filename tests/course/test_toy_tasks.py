"""Toy tasks: what is to be opened, boards that a seed decides, and that a scorer learns."""

import pytest
import torch
from torch import nn

from rga.course import toy_tasks


@pytest.mark.parametrize("task", toy_tasks.TASKS)
def test_what_is_to_be_opened(task):
    cells, colour, wanted = toy_tasks.draw(task, 50, torch.Generator().manual_seed(0))
    assert cells.shape == (50, 16, 6, 4) and colour.shape == wanted.shape == (50, 24)
    nearest = torch.cdist(cells.flatten(2).mT, toy_tasks.PALETTE).argmin(-1)
    assert (nearest == colour).float().mean() > 0.95  # noise hides few colours
    corner = colour[:, :1].expand_as(colour)
    if task == "odd one out":
        assert (wanted.sum(1) == 1).all()
        assert all(len(board[~odd].unique()) == 1 for board, odd in zip(colour, wanted, strict=True))
    else:
        beaten = {"like the corner": corner, "beats the corner": (corner + 1) % 3}[task]
        assert torch.equal(wanted, colour == beaten)


def test_a_task_of_ones_own():
    _, colour, wanted = toy_tasks.draw(lambda c: c == c.flip(1), 5, torch.Generator().manual_seed(0))
    assert torch.equal(wanted, colour == colour.flip(1)) and torch.equal(wanted, wanted.flip(1))


def test_a_scorer_learns_what_it_can_see_and_is_looked_at_on_the_way():
    torch.manual_seed(0)
    scorer = nn.Sequential(nn.Conv2d(16, 1, 1), nn.BatchNorm2d(1))
    learned = toy_tasks.learn(scorer, lambda colour: colour == 1, steps=60, look=(0, 60))
    assert learned.score > 0.95 and not scorer.training
    assert list(learned.gates) == [0, 60] and learned.gates[60].shape == (24,)
    assert learned.gates[60][learned.wanted].mean() > learned.gates[60][~learned.wanted].mean() + 0.3
