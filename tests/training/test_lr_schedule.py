"""Learning rates, epoch by epoch."""

import numpy as np
from helpers.released_weights import GOLDEN

from rga.training.lr_schedule import PAPER_EPOCHS, learning_rates, paper_schedule, short_schedule


def test_paper_schedule_equals_the_released_code():
    golden = np.load(GOLDEN / "losses_and_schedule.npz")["lr"]
    np.testing.assert_allclose(learning_rates(paper_schedule, PAPER_EPOCHS, 8e-4), golden, rtol=1e-12, atol=0)


def test_short_schedule_rises_then_falls():
    seen = np.array(learning_rates(lambda optimizer: short_schedule(optimizer, 20), 20, 8e-4))
    assert seen.argmax() == 2
    assert seen.max() == 8e-4
    assert seen[0] == 8e-5
    assert (np.diff(seen[2:]) < 0).all()
    assert 8e-6 <= seen[-1] < 3e-5


def test_short_schedule_of_one_epoch():
    assert len(learning_rates(lambda optimizer: short_schedule(optimizer, 1), 1, 8e-4)) == 1
