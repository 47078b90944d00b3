"""Exported files output what the network outputs: every attention, any batch size; a wrong file is not written."""

import importlib.util
import json
import os

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export.passes import move_to_device_pass

from rga import export
from rga.data.transforms import normalise
from rga.export import Embedder, to_onnx, to_torch
from rga.models import ATTENTION, ReIDModel, create_model

SIZE = (32, 16)
CLOSE = 1e-5  # components of features of length 1


class AllAttentions(nn.Module):
    """Every attention on the same feature map, side by side: (B, 3, 32, 16) -> (B, 8 x their number)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8))
        self.attentions = nn.ModuleDict(
            {name: build(8, (8, 4)) if build else nn.Identity() for name, build in ATTENTION.items()}
        )

    def forward(self, images):
        x = self.stem(images)
        # The maximum, for the mean of what a gate does to noise is hardly anything.
        return torch.cat([attention(x).amax((2, 3)) for attention in self.attentions.values()], 1)


def randomise(model):
    """Every parameter random, as if trained: non-local blocks start as the identity, and would show nothing."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, std=0.5 if parameter.ndim == 1 or "attentions" in name else 0.2)
    return model.eval()


@pytest.fixture(scope="module")
def everything():
    return randomise(ReIDModel(AllAttentions(), 8 * len(ATTENTION), 3, SIZE))


@pytest.fixture(scope="module")
def small():
    return randomise(ReIDModel(nn.Sequential(nn.Conv2d(3, 8, SIZE), nn.Flatten()), 8, 3, SIZE))


def images(batch):
    torch.manual_seed(batch)
    return torch.randint(0, 256, (batch, 3, *SIZE), dtype=torch.uint8)


def run_onnx(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["rga"])

    def run(x):
        return torch.from_numpy(session.run([about["output"]], {"images": x.numpy()})[0])

    return run, about


def run_torch(path):
    extra = {"rga.json": ""}
    return torch.export.load(path, extra_files=extra).module(), json.loads(extra["rga.json"])


FORMATS = pytest.mark.parametrize(
    "write, run, name",
    [(to_onnx, run_onnx, "network.onnx"), (to_torch, run_torch, "network.pt2")],
    ids=["onnx", "torch"],
)


@FORMATS
def test_every_attention_in_batches_of_1_and_5(write, run, name, everything, tmp_path):
    written = write(everything, tmp_path / "new" / name)
    exported, _ = run(written.path)
    for batch in (1, 5):
        expected = F.normalize(everything(normalise(images(batch))).embedding)
        parts = zip(ATTENTION, exported(images(batch)).split(8, 1), expected.split(8, 1), strict=True)
        for attention, ours, theirs in parts:
            assert (ours - theirs).abs().max() < CLOSE, attention
    assert 0 <= written.difference < CLOSE


def test_the_network_of_these_tests_shows_every_attention(everything):
    """One that did nothing would be seen, a hundred times over."""
    features = F.normalize(everything(normalise(images(5))).embedding).split(8, 1)
    differs = {name: (f - features[0]).abs().max() for name, f in zip(ATTENTION, features, strict=True)}
    assert min(differs, key=differs.get) == "none" and sorted(differs.values())[1] > 100 * CLOSE


@FORMATS
def test_a_whole_network(write, run, name, tmp_path):
    model = create_model("resnet18", num_pids=3, size=(64, 32)).to(memory_format=torch.channels_last)
    nn.init.uniform_(model.neck.weight)  # untrained, it does nothing
    about = {"network": "a1b2"}
    written = write(model, tmp_path / name, output="feature", normalised=True, about=about)
    assert model.training
    exported, about = run(written.path)
    x = torch.randn(3, 3, 64, 32)
    torch.testing.assert_close(exported(x), F.normalize(model.eval()(x).feature), rtol=0, atol=CLOSE)
    assert about == written.about == {
        "input": "float32, normalised",
        "size": [64, 32],
        "output": "feature",
        "num_features": 512,
        "backbone": "resnet18",
        "attention": "rga_sc",
        "torch": torch.__version__,
        "network": "a1b2",
    }  # fmt: skip
    assert os.listdir(tmp_path) == [name]


def test_names_and_shapes_of_onnx(small, tmp_path):
    session = onnxruntime.InferenceSession(to_onnx(small, tmp_path / "small.onnx").path)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(uint8)", ["batch", 3, *SIZE])
    assert (given.name, given.type, given.shape) == ("embedding", "tensor(float)", ["batch", 8])
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="dimensions"):
        session.run(None, {"images": np.zeros((1, 3, 16, 16), np.uint8)})


def test_a_program_moves_to_another_device(small, tmp_path):
    program = torch.export.load(to_torch(small, tmp_path / "small.pt2").path)
    moved = move_to_device_pass(program, "meta").module()
    assert moved(images(4).to("meta")).shape == (4, 8)


def test_embedder_takes_bytes(small):
    features = Embedder(small)(images(5))
    torch.testing.assert_close(
        features, F.normalize(small(normalise(images(5))).embedding), rtol=0, atol=CLOSE
    )
    torch.testing.assert_close(features.norm(dim=1), torch.ones(5))
    assert not features.requires_grad and small.classifier.weight.requires_grad


@FORMATS
def test_a_wrong_file_is_not_written(write, run, name, small, tmp_path, monkeypatch):
    path = write(small, tmp_path / name).path
    before = path.read_bytes()
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(ValueError, match="so .*network.* was not written"):
        write(small, path)
    monkeypatch.undo()
    broken = randomise(ReIDModel(small.backbone, 8, 3, SIZE))
    nn.init.constant_(broken.neck.weight, torch.nan)
    with pytest.raises(ValueError, match="a difference of nan"):
        write(broken, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [name]


def test_unknown_output(small, tmp_path):
    with pytest.raises(ValueError, match=r"unknown output 'logits': choose embedding .* or feature"):
        to_torch(small, tmp_path / "small.pt2", output="logits")


def test_the_name_says_the_format(small, tmp_path):
    with pytest.raises(ValueError, match=r"a file that ends in .pt2, got .*network.onnx"):
        to_torch(small, tmp_path / "network.onnx")
    with pytest.raises(ValueError, match=r"a file that ends in .onnx, got .*network"):
        to_onnx(small, tmp_path / "network")


def test_missing_packages_are_named(small, tmp_path, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else there(name)
    )
    with pytest.raises(
        ValueError, match=r'needs onnxscript, not installed here: pip install "rga\[export\]"'
    ):
        to_onnx(small, tmp_path / "small.onnx")
