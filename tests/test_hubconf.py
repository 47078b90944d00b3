"""torch.hub finds the entry points in a clone, from anywhere, without a network."""

import importlib.util
import inspect
from pathlib import Path

import pytest
import torch
from helpers.elsewhere import python

from rga.models import create_model
from rga.training.checkpoint import save

ROOT = Path(__file__).resolve().parent.parent
# What pyproject.toml depends on, under the names that are imported.
IMPORTED = ["torch", "torchvision", "numpy", "scipy", "h5py", "PIL", "matplotlib", "tqdm"]


@pytest.fixture
def hubconf():
    spec = importlib.util.spec_from_file_location("hubconf", ROOT / "hubconf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_offers_what_it_means_to_and_each_explains_itself(hubconf):
    offered = {name: entry for name, entry in vars(hubconf).items() if callable(entry) and name[0] != "_"}
    assert sorted(offered) == hubconf.__all__
    assert all(inspect.getdoc(entry) for entry in offered.values())


def test_fine_tunes_from_a_checkpoint(hubconf, tmp_path):
    source = create_model("resnet18", "rga_s", num_pids=3, size=(64, 32))
    save(tmp_path / "checkpoint.pt", source)
    options = {"num_pids": 5, "size": (64, 32), "weights": tmp_path / "checkpoint.pt"}
    model = hubconf.create_model("resnet18", "rga_s", **options)
    assert model.config["weights"].startswith("fine-tuned from checkpoint.pt")
    with pytest.raises(
        ValueError, match="backbone 'resnet18' there, 'resnet50' here; attention 'rga_s' there"
    ):
        hubconf.rga_resnet50(**options)


def test_loads_from_another_folder(hubconf, tmp_path):
    torch.manual_seed(0)
    model = create_model("resnet18", "rga_s", num_pids=3, size=(64, 32)).eval()
    save(tmp_path / "checkpoint.pt", model)
    images = torch.rand(2, 3, 64, 32)
    torch.save((images, model(images).embedding), tmp_path / "expected.pt")
    code = f"""
import torch
def load(entry, *args, **options):
    return torch.hub.load({str(ROOT)!r}, entry, *args, source="local", **options)
with torch.device("meta"):
    model = load("rga_resnet50", size=(64, 32))
print(sum(p.numel() for p in model.parameters()), model.config["attention"], model.config["size"])
print(load("create_model", "resnet18", "none", num_pids=4)(torch.rand(2, 3, 256, 128)).logits.shape)
print(load("RGA", channels=8, size=(4, 2))(torch.rand(2, 8, 4, 2)).shape)
images, expected = torch.load("expected.pt")
torch.testing.assert_close(load("load_model", "checkpoint.pt")(images).embedding, expected)
import rga, sys
print(rga.__file__)
print(*[name for name in {IMPORTED} if name in sys.modules])
"""
    lines = python(tmp_path, code).splitlines()
    with torch.device("meta"):
        parameters = sum(p.numel() for p in create_model(num_pids=767, size=(64, 32)).parameters())
    assert lines[0] == f"{parameters} rga_sc [64, 32]"
    assert lines[1:3] == ["torch.Size([2, 4])", "torch.Size([2, 8, 4, 2])"]
    assert Path(lines[3]).parent == ROOT / "rga"
    assert lines[4].split() == hubconf.dependencies
