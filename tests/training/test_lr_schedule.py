"""Learning rates, epoch by epoch."""

import numpy as np
import torch
from helpers.released_weights import GOLDEN

from rga.training.lr_schedule import PAPER_EPOCHS, paper_schedule, short_schedule


def rates(schedule, epochs, lr=8e-4):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr)
    scheduler, seen = schedule(optimizer), []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(seen)


def test_paper_schedule_equals_the_released_code():
    golden = np.load(GOLDEN / "losses_and_schedule.npz")["lr"]
    np.testing.assert_allclose(rates(paper_schedule, PAPER_EPOCHS), golden, rtol=1e-12, atol=0)


def test_short_schedule_rises_then_falls():
    seen = rates(lambda optimizer: short_schedule(optimizer, 20), 20)
    assert seen.argmax() == 2
    assert seen.max() == 8e-4
    assert seen[0] == 8e-5
    assert (np.diff(seen[2:]) < 0).all()
    assert 8e-6 <= seen[-1] < 3e-5


def test_short_schedule_of_one_epoch():
    assert len(rates(lambda optimizer: short_schedule(optimizer, 1), 1)) == 1
