"""All generators go on from a state as if nothing had been drawn since."""

import random

import numpy as np
import torch

from rga.training.rng_state import get_rng_state, set_rng_state

CPU = torch.device("cpu")


def draw():
    return (
        torch.rand(3).tolist(),
        np.random.rand(3).tolist(),
        [random.random() for _ in range(3)],
        random.gauss(),
    )


def test_the_same_numbers_again(tmp_path):
    torch.save(get_rng_state(CPU), tmp_path / "state.pt")
    first = draw()
    set_rng_state(torch.load(tmp_path / "state.pt", weights_only=True), CPU)
    assert draw() == first
    assert draw() != first
