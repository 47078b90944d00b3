"""What all tests share: four people to train on; tests marked gpu are skipped where there is none."""

import signal

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data import Sample


def pytest_configure():
    # A shell's background job ignores Ctrl-C, and the tests send it to themselves.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Four people, each of one colour, five noisy pictures each by two cameras."""
    folder, rng, made = tmp_path_factory.mktemp("people"), np.random.default_rng(0), []
    for pid, colour in enumerate([(200, 40, 40), (40, 200, 40), (40, 40, 200), (180, 180, 40)]):
        for i in range(5):
            picture = np.clip(rng.normal(colour, 50, (40, 20, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(path := folder / f"{pid}_{i}.png")
            made.append(Sample(path, pid, camid=1 + i % 2))
    return made
