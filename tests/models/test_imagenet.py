"""Backbone weights: from a file with the names and shapes of the real ones, or a clear error; never silently random."""

from urllib.error import URLError

import pytest
import torch
import torchvision

from rga.models import create_model


def saved(network, path, rename=lambda name: name, drop=()):
    torch.manual_seed(1)
    state = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in network.state_dict().items()}
    torch.save({rename(k): v for k, v in state.items() if not any(d in k for d in drop)}, path)
    return state


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
@pytest.mark.parametrize("drop", [(), ("num_batches_tracked", "fc.", "classifier.")])
def test_torchvision_files(name, drop, tmp_path):
    state = saved(torchvision.models.get_model(name), tmp_path / "net.pth", drop=drop)
    model = create_model(name, "rga_s", num_pids=2, size=(64, 32), weights=tmp_path / "net.pth")
    own = model.backbone.state_dict()
    first = "conv1.weight" if "resnet" in name else "features.0.0.weight"
    torch.testing.assert_close(own[first], state[first])
    kept = [v for k, v in own.items() if "score" not in k and "num_batches" not in k]
    file = [
        v for k, v in state.items() if not k.startswith(("fc.", "classifier.")) and "num_batches" not in k
    ]
    assert len(kept) == len(file)
    assert all(torch.equal(a, b) for a, b in zip(kept, file, strict=True))
    assert model.config["weights"].startswith("ImageNet file net.pth (sha256 ")


def test_the_same_network_under_other_names(tmp_path):
    network = torchvision.models.mobilenet_v2()
    state = saved(
        network, tmp_path / "net.pt", lambda k: k.replace("conv.0.0", "conv.0"), drop=("classifier.",)
    )
    model = create_model("mobilenet_v2", "none", num_pids=2, size=(64, 32), weights=tmp_path / "net.pt")
    key = "features.7.conv.0.0.weight"
    torch.testing.assert_close(model.backbone.state_dict()[key], state[key])


def test_wrong_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights of|backbone weights at .*absent.pth, found none"):
        create_model("resnet18", "none", num_pids=2, weights=tmp_path / "absent.pth")
    (tmp_path / "page.pth").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="could not read it"):
        create_model("resnet18", "none", num_pids=2, weights=tmp_path / "page.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="expected a state dict"):
        create_model("resnet18", "none", num_pids=2, weights=tmp_path / "other.pth")
    saved(torchvision.models.resnet34(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="does not fit this backbone: expected 100 tensors, got 180"):
        create_model("resnet18", "none", num_pids=2, weights=tmp_path / "net.pth")


def test_no_network_is_a_clear_error(monkeypatch):
    def offline(self, **_):
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(
        FileNotFoundError, match="no route to host.*Fetch that file on a machine with a network"
    ):
        create_model("resnet18", "none", num_pids=2, weights="imagenet")


def test_imagenet_is_the_file_the_paper_used(monkeypatch):
    asked = []

    def get(self, **_):
        asked.append(self.url)
        return torchvision.models.resnet50().state_dict()

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", get)
    model = create_model("resnet50", "none", num_pids=2, weights="imagenet")
    assert asked[0].endswith("resnet50-0676ba61.pth")
    assert model.config["weights"] == "ImageNet (ResNet50_Weights.IMAGENET1K_V1)"


def test_a_damaged_file_in_the_cache_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    file = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir()
    for content in (b"<html>404</html>", b""):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="resnet18-f37072fd.pth, could not read .*Delete that file"):
            create_model("resnet18", "none", num_pids=2, weights="imagenet")
