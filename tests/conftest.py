"""What all tests share: four people to train on; tests marked gpu are skipped where there is none."""

import signal

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data import Sample

LONG = {"series", "site", "browser"}


def pytest_configure():
    # A shell's background job ignores Ctrl-C, and the tests send it to themselves.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    # What takes minutes begins first, or one of several processes would end long after the others.
    items.sort(
        key=lambda item: not (item.path.suffix == ".ipynb" or LONG & {m.name for m in item.iter_markers()})
    )
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
