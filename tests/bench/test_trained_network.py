"""The network that the repository ships: it loads, is small, and knows people whom it has never seen."""

import json

import pytest
import torch

import rga
from rga.io.paths import ROOT
from rga.training import checkpoint

FILE = ROOT / "results" / "trained_network.pt"


@pytest.fixture(scope="module")
def model():
    return checkpoint.load_model(FILE)


def test_it_is_small_and_of_its_report(model):
    report = json.loads(FILE.with_suffix(".json").read_text(encoding="utf-8"))
    assert FILE.stat().st_size < 25e6
    names = ("backbone", "attention", "init_gates", "size")
    assert {name: model.config[name] for name in names} == {name: report["settings"][name] for name in names}
    stored = torch.load(FILE, weights_only=True)["model"]
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16, torch.int64}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_it_knows_people_whom_it_has_never_seen(model, tmp_path):
    people = rga.data.load("synthetic", tmp_path / "people", identities=(2, 10), images_per_camera=2, seed=2)
    untrained = rga.models.create_model("mobilenet_v2", "rga_sc", num_pids=2, size=(128, 64))
    trained, not_yet = (rga.evaluate(network, people).embedding.mAP for network in (model, untrained))
    assert trained > 0.6 and trained > not_yet + 0.2
