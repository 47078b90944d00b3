"""Other projects' files of weights: taken out of their wrappings, and never read by running what is in them."""

import numpy as np
import pytest
import torch
import torchvision

from rga.models import RGA, create_model, load_released, released_state_dict
from rga.models.weights_files import safe_load


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    network = torchvision.models.resnet18()
    return {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in network.state_dict().items()}


def load(content, path):
    torch.save(content, path)
    return create_model("resnet18", "none", num_pids=2, size=(64, 32), weights=path)


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


HEADS = {"bottleneck.weight": torch.zeros(3), "classifier.weight": torch.zeros(2, 3)}
# What others save, and what is said of it.
WRAPPINGS = {
    "torchreid": (
        lambda s: {"state_dict": s, "epoch": np.int64(3), "rank1": np.float32(0.9), "optimizer": {"lr": 1}},
        "taken out of state_dict",
    ),
    "model": (lambda s: {"model": s, "args": "lr=1"}, "taken out of model"),
    "net": (lambda s: {"net": s}, "taken out of net"),
    "parallel": (lambda s: prefixed("module.", s), "taken out of module."),
    "averaged": (
        lambda s: prefixed("module.", s) | {"n_averaged": torch.tensor(2)},
        "taken out of module., without n_averaged",
    ),
    "compiled": (lambda s: prefixed("_orig_mod.", s), "taken out of _orig_mod."),
    "strong baseline": (
        lambda s: prefixed("base.", s) | HEADS,
        "taken out of base., without bottleneck, classifier",
    ),
    "all of it": (
        lambda s: {"state_dict": prefixed("module.", prefixed("backbone.", s) | HEADS), "epoch": 3},
        "taken out of state_dict, module., backbone., without bottleneck, classifier",
    ),
    "moco": (
        lambda s: {"state_dict": prefixed("module.encoder_q.", s) | prefixed("module.encoder_k.", s)},
        "taken out of state_dict, module., encoder_q., without encoder_k",
    ),
}


@pytest.mark.parametrize("wrap, said", WRAPPINGS.values(), ids=WRAPPINGS)
def test_wrappings_are_taken_off_and_said(wrap, said, state, tmp_path):
    model = load(wrap(state), tmp_path / "net.pth")
    own = model.backbone.state_dict()
    assert all(torch.equal(own[k], v) for k, v in state.items() if k in own and "num_batches" not in k)
    assert model.config["weights"].startswith("weights file net.pth (sha256 ")
    assert model.config["weights"].endswith(f"), {said}")


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_either_numpy_are_read(module, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"rank1": np.float64(0.5), "best": np.bool_(True)}, path, _use_new_zipfile_serialization=False)
    written = path.read_bytes()
    path.write_bytes(written.replace(b"numpy._core.multiarray", module.encode()))
    assert safe_load(path, "numbers") == {"rank1": 0.5, "best": True}


class Settings:
    """Code that a file of weights may ask for."""


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_other_objects_is_called_whole(zipped, state, tmp_path):
    content = {"state_dict": state, "settings": Settings()}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ValueError, match=r"it holds \S*Settings beside tensors.*save the state dict"
    ) as raised:
        create_model("resnet18", "none", num_pids=2, size=(64, 32), weights=tmp_path / "net.pth")
    assert "weights_only" not in str(raised.value) and "again" not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__context__ is None


def test_a_file_that_is_cut_short(state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    (tmp_path / "net.pth").write_bytes((tmp_path / "net.pth").read_bytes()[: 10**6])
    with pytest.raises(ValueError, match="is cut short.*Compare its size with the original's"):
        create_model("resnet18", "none", num_pids=2, size=(64, 32), weights=tmp_path / "net.pth")


def test_the_first_three_tensors_that_do_not_fit_are_named(state, tmp_path):
    wide = {k: v[:, :1] if k.endswith("conv1.weight") else v for k, v in prefixed("base.", state).items()}
    three = (
        r"taken out of base\. does not fit this backbone: expected 100 tensors, got 100; tensors that differ: 9, "
        r"first conv1.weight: expected \(64, 3, 7, 7\), got \(64, 1, 7, 7\); layer1.0.conv1.weight: .*; "
        r"layer1.1.conv1.weight: expected \(64, 64, 3, 3\), got \(64, 1, 3, 3\)\. Choose"
    )
    with pytest.raises(ValueError, match=three):
        load(wide, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"got 101.*first extra: expected nothing, got \(1,\)\. Choose"):
        load(state | {"extra": torch.zeros(1)}, tmp_path / "net.pth")


def test_released_weights_are_taken_out_of_a_checkpoint():
    source, target = RGA(16, (4, 2)), RGA(16, (4, 2))
    load_released(target, {"state_dict": prefixed("module.", released_state_dict(source)), "epoch": 600})
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)
