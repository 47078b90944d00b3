"""weights=a checkpoint of one's own: what it gives, what stays new, and which networks are refused."""

from dataclasses import replace

import pytest
import torch
from helpers.small_network import network

from rga.models import ReIDModel, create_model, resize
from rga.runs.recipes import get_recipe
from rga.training.checkpoint import load_model, save

LARGER = (96, 48)


@pytest.fixture
def trained(tmp_path):
    """A network with statistics and counters of its own, and its checkpoint."""

    def make(attention="rga_s", **options):
        model = network(1, attention, **options)
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.add_(1)
        save(tmp_path / "mine" / "checkpoint.pt", model)
        return model, tmp_path / "mine" / "checkpoint.pt"

    return make


def taken(model, source):
    """The names of tensors that are equal in both."""
    theirs = source.state_dict()
    return {
        k for k, v in model.state_dict().items() if v.shape == theirs[k].shape and torch.equal(v, theirs[k])
    }


@pytest.mark.parametrize("attention", ["rga_s", "cbam", "none"])
@pytest.mark.parametrize("num_pids", [4, 7])
def test_all_but_the_classifier_is_taken(attention, num_pids, trained):
    source, path = trained(attention)
    model = network(2, attention, num_pids=num_pids, weights=path)
    names = set(model.state_dict()) - {"classifier.weight"}
    assert taken(model, source) == names
    parts = "backbone and neck" if attention == "none" else "backbone, attention and neck"
    assert model.config["weights"].startswith("fine-tuned from checkpoint.pt (sha256 ")
    assert model.config["weights"].endswith(f"): {len(names)} tensors of {parts}, classifier new")


@pytest.mark.parametrize("attention", ["rga_s", "none"])
def test_a_run_starts_from_it_and_its_checkpoint_loads(attention, trained, tmp_path):
    source, path = trained(attention)
    options = {"backbone": "resnet18", "attention": attention, "size": (64, 32), "init_gates": "identity"}
    model = replace(get_recipe("quick"), weights=path, **options).make_model(9)
    assert len(taken(model, source)) == len(model.state_dict()) - 1
    save(tmp_path / "next.pt", model)
    path.unlink()
    assert load_model(tmp_path / "next.pt").config["weights"].startswith("fine-tuned from checkpoint.pt")


def test_random_numbers_are_those_of_random_weights(trained):
    _, path = trained()
    model, random = network(2, weights=path), network(2)
    torch.testing.assert_close(model.classifier.weight, random.classifier.weight, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_without_attention_it_is_a_backbone_for_any(name, tmp_path):
    torch.manual_seed(1)
    source = create_model(name, "none", num_pids=3, size=LARGER)
    save(tmp_path / "plain.pt", source)
    model = create_model(name, "rga_s", num_pids=3, size=(64, 32), weights=tmp_path / "plain.pt")
    first = "conv1.weight" if name == "resnet18" else "features.18.0.weight"
    assert torch.equal(model.backbone.state_dict()[first], source.backbone.state_dict()[first])
    assert model.config["weights"].endswith("taken out of model, backbone., without neck, classifier")


def test_to_another_size(trained):
    source, path = trained("rga_s")
    expected = resize(source, LARGER)
    model = network(2, "rga_s", size=LARGER, trained_size=(64, 32), weights=path)
    assert taken(model, expected) == set(model.state_dict()) - {"classifier.weight"}
    save(path, expected)
    again = network(2, "rga_s", size=LARGER, trained_size=(64, 32), weights=path)
    assert taken(again, expected) == set(model.state_dict()) - {"classifier.weight"}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"attention": "rga_sc"}, "attention 'rga_s' there, 'rga_sc' here; tensors that differ: "),
        ({"attention": "none"}, "attention 'rga_s' there, 'none' here; tensors that differ: "),
        ({"init_gates": "released"}, "init_gates 'identity' there, 'released' here. Choose the backbone"),
        ({"size": (32, 64)}, r"size \[64, 32\] there, \[32, 64\] here"),
        (
            {"size": LARGER},
            r"size \[64, 32\] there, \[96, 48\] here; tensors that differ: 29, first backbone.layer1.2.\S+: "
            r"expected \(.*\), got \(.*\); .*trained_size=the checkpoint's",
        ),
    ],
)
def test_another_network_is_refused(options, message, trained):
    _, path = trained()
    with pytest.raises(ValueError, match=f"checkpoint.pt .*of another network: {message}"):
        network(2, **options, weights=path)


def test_a_network_built_by_hand_is_refused_with_what_to_do(tmp_path):
    by_hand = ReIDModel(network(attention="none").backbone, 512, 4, (64, 32))
    save(tmp_path / "hand.pt", by_hand)
    for attention in ("rga_s", "none"):
        with pytest.raises(
            ValueError, match=r"hand.pt .*built by hand.*rga.checkpoint.load_model\(FILE, model\)"
        ):
            network(2, attention, weights=tmp_path / "hand.pt")
