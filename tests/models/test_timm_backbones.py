"""timm's names, weights and normalisation: its own loading, from its cache and from files, or a clear error."""

import importlib.util
import sys

import pytest
import torch

from rga.data.transforms import IMAGENET_MEAN, IMAGENET_STD, denormalise, normalise
from rga.models import create_model
from rga.models.timm_backbones import Renormalise, check_timm, create_timm
from rga.training import checkpoint

timm = pytest.importorskip("timm")
constants = pytest.importorskip("huggingface_hub.constants")
safetensors = pytest.importorskip("safetensors.torch")

VIT = "timm/vit_tiny_patch16_224"
SIZE = (64, 32)


def network(backbone, weights=None, attention="none", size=SIZE):
    return create_model(backbone, attention, num_pids=2, size=size, weights=weights)


def pretrained(name, **options):
    """A network as timm saves it, with its ImageNet classifier and random weights of its own."""
    torch.manual_seed(5)
    made = timm.create_model(name, **options).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.1)
    return made


def test_unknown_names_list_the_nearest():
    with pytest.raises(
        ValueError, match=r"unknown backbone 'timm/convnext_ato': timm [\d.]+ has no .*timm/convnext_atto,"
    ):
        check_timm("timm/convnext_ato")
    with pytest.raises(ValueError, match=r"has no network '\?\?'; timm.list_models\(\) lists all"):
        check_timm("timm/??")
    with pytest.raises(ValueError, match=r"no weights 'a9' of this network, but .*timm/resnet18.a1_in1k"):
        check_timm("timm/resnet18.a9")


def test_without_timm(monkeypatch, tmp_path):
    checkpoint.save(tmp_path / "x.pt", network("timm/resnet10t"))
    monkeypatch.setitem(sys.modules, "timm", None)
    for use in (lambda: network("timm/resnet10t"), lambda: checkpoint.load_model(tmp_path / "x.pt")):
        with pytest.raises(
            ValueError, match=r"'timm/resnet10t' needs timm, not installed here: pip install \"rga\[timm\]\""
        ):
            use()
    network("resnet18")


def test_without_safetensors(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "net.safetensors").touch()
    with pytest.raises(ValueError, match=r"net.safetensors needs safetensors, .*pip install \"rga\[timm\]\""):
        network("resnet18", tmp_path / "net.safetensors")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put(hub, state, name):
    """A file where the hub's own downloads lie."""
    folder = hub / f"models--timm--{name}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (snapshot := folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    safetensors.save_file(state, snapshot / "model.safetensors")
    return snapshot / "model.safetensors"


@pytest.mark.filterwarnings("ignore:.*searchsorted:UserWarning")  # of PyTorch, on how timm resamples
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")
@pytest.mark.parametrize(
    ("name", "tag", "same"),
    [
        ("resnet10t", "c3_in1k", "layer4.0.conv1.weight"),
        ("convnext_atto", "d2_in1k", "head.norm.weight"),
        ("mobilenetv3_small_050", "lamb_in1k", "conv_head.weight"),
        ("vit_tiny_patch16_224", "augreg_in21k_ft_in1k", "norm.weight"),
        ("swin_tiny_patch4_window7_224", "ms_in1k", "norm.weight"),
    ],
)
def test_imagenet_is_timms_own_file(hub, name, tag, same):
    theirs = pretrained(name)
    put(hub, theirs.state_dict(), f"{name}.{tag}")
    model = network(f"timm/{name}", "imagenet", "cbam")
    assert model.config["weights"] == f"pretrained (timm/{name}.{tag})"
    assert torch.equal(model.backbone.state_dict()[same], theirs.state_dict()[same])
    ours = {key for key in model.backbone.state_dict() if "attached" not in key and ".spatial." not in key}
    assert not {key for key in theirs.state_dict() if key not in ours} - {
        f"{theirs.pretrained_cfg['classifier']}.{part}" for part in ("weight", "bias")
    }


def test_the_features_are_timms(hub, tmp_path):
    """Pixels normalised as rga does give what timm computes of the same pixels normalised as timm does."""
    theirs = pretrained("vit_tiny_patch16_224", img_size=SIZE)
    file = put(hub, theirs.state_dict(), "vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    pixels = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    mean, std = (torch.tensor(theirs.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    theirs.reset_classifier(0)
    with torch.no_grad():
        expected = theirs((pixels / 255 - mean) / std)
        for weights in ("imagenet", file):
            model = network(VIT, weights).eval()
            torch.testing.assert_close(model(normalise(pixels)).feature, expected, rtol=1e-4, atol=1e-4)


def test_renormalised_images_are_those_of_the_other_statistics():
    mean, std = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)
    x = normalise(torch.randint(0, 256, (2, 3, 8, 4), dtype=torch.uint8))
    expected = (denormalise(x) - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(Renormalise(mean, std)(x), expected, rtol=1e-5, atol=1e-5)


def test_only_other_statistics_than_imagenets_are_renormalised():
    assert timm.data.IMAGENET_DEFAULT_MEAN == IMAGENET_MEAN and timm.data.IMAGENET_DEFAULT_STD == IMAGENET_STD
    for backbone, expected in (("timm/resnet10t", False), (VIT, True), ("timm/tf_efficientnet_lite0", True)):
        made, _ = create_timm(backbone, SIZE, None)
        assert any(isinstance(module, Renormalise) for module in made.modules()) == expected


@pytest.mark.parametrize("kind", ["classifier", "no classifier", "wrapped", "safetensors", "of this package"])
def test_files(kind, tmp_path):
    """Position embeddings of 224 x 224 are resampled by timm, whatever the file is wrapped in."""
    theirs = pretrained("vit_tiny_patch16_224")
    state, file = theirs.state_dict(), tmp_path / "net.pt"
    if kind == "no classifier":
        state = {key: tensor for key, tensor in state.items() if not key.startswith("head.")}
    if kind == "wrapped":
        state = {"epoch": 3, "state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}
    if kind == "safetensors":
        safetensors.save_file(state, file := tmp_path / "net.safetensors")
    elif kind == "of this package":
        source = network(VIT, size=(224, 224))
        theirs = source.backbone
        checkpoint.save(file, source)
    else:
        torch.save(state, file)
    model = network(VIT, file, "cbam")
    assert torch.equal(model.backbone.state_dict()["norm.weight"], theirs.state_dict()["norm.weight"])
    assert model.backbone.pos_embed.shape == (1, 1 + 4 * 2, 192)
    assert model.config["weights"].startswith(f"weights file {file.name} (sha256 ")
    assert "state_dict" not in model.backbone.pretrained_cfg


def test_files_that_do_not_fit(tmp_path):
    torch.save(pretrained("resnet10t").state_dict(), tmp_path / "other.pt")
    with pytest.raises(
        ValueError,
        match=r"other.pt .*does not fit this backbone: expected \d+ tensors, got 8\d; tensors that differ",
    ):
        network("timm/convnext_atto", tmp_path / "other.pt")
    state = pretrained("resnet10t").state_dict()
    del state["layer3.0.conv1.weight"]
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(
        ValueError, match="tensors that differ: 1, first layer3.0.conv1.weight: expected .*got nothing"
    ):
        network("timm/resnet10t", tmp_path / "less.pt")
    (tmp_path / "page.safetensors").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="page.safetensors, could not read it"):
        network("timm/resnet10t", tmp_path / "page.safetensors")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(ValueError, match="expected a state dict"):
        network("timm/resnet10t", tmp_path / "none.pt")


def test_no_network_is_a_clear_error(hub):
    with pytest.raises(
        FileNotFoundError,
        match=r"weights of resnet10t \(timm/resnet10t.c3_in1k on the .*pass its path as weights=",
    ):
        network("timm/resnet10t", "imagenet")


def test_a_damaged_file_in_the_cache(hub):
    put(hub, pretrained("resnet10t").state_dict(), "resnet10t.c3_in1k").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match="could not load them .*delete the file in the cache"):
        network("timm/resnet10t", "imagenet")


def test_a_file_in_the_cache_that_lacks_a_tensor_is_refused(hub):
    state = pretrained("resnet10t").state_dict()
    del state["layer3.0.conv1.weight"]
    put(hub, state, "resnet10t.c3_in1k")
    with pytest.raises(ValueError, match="could not load them"):
        network("timm/resnet10t", "imagenet")


def test_a_network_without_pretrained_weights():
    name = next(name for name in timm.list_models("res*") if not timm.list_pretrained(f"{name}.*"))
    with pytest.raises(ValueError, match=f"timm has no pretrained weights of {name}: choose weights=None or"):
        network(f"timm/{name}", "imagenet")
