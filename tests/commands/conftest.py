"""A network in a checkpoint, a folder of noise and a data set of noise: what the commands are tried on."""

import numpy as np
import pytest
import torch
from helpers import tiny_cuhk03 as tiny
from PIL import Image

from rga.models import create_model
from rga.training.checkpoint import save


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """A folder with two networks, one.pt and other.pt, untrained."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, name in enumerate(("one", "other")):
        torch.manual_seed(seed)
        save(folder / f"{name}.pt", create_model("resnet18", "none", num_pids=3, size=(64, 32)))
    return folder


@pytest.fixture
def gallery(tmp_path):
    """25 images, and a file that is none."""
    folder = tmp_path / "gallery"
    for i in range(25):
        path = folder / f"{i % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (3, 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((16, 32)).save(path)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def cuhk03(tmp_path):
    """The root of a CUHK03 with four people to test on."""
    return tiny.write_all(tmp_path / "cuhk03")
