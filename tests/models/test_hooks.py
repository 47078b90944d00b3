"""Taps: they see what flows, and leave nothing behind."""

import re

import pytest
import torch

from rga import capture
from rga.models import create_model
from rga.models.hooks import evaluating


@pytest.fixture(scope="module")
def model():
    return create_model("resnet18", "rga_sc", num_pids=2, size=(64, 32)).eval()


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_collects_the_gates_of_every_stage(model):
    with capture(model) as gates, torch.no_grad():
        model(torch.randn(3, 3, 64, 32))
    assert len(gates) == 8
    assert gates["backbone.layer1.2.spatial.gate"].shape == (3, 1, 16, 8)
    assert gates["backbone.layer4.2.channel.gate"].shape == (3, 1, 512, 1)
    assert all(((0 < gate) & (gate < 1)).all() for gate in gates.values())


def test_hooks_are_gone_even_after_an_error(model):
    with capture(model, "*.spatial.gate"):
        assert hooks(model) == 4
    with pytest.raises(ValueError, match="built for images"), capture(model):
        model(torch.randn(1, 3, 8, 8))
    assert hooks(model) == 0


def test_what_is_captured_stays_though_a_layer_in_place_follows(model):
    with capture(model, "*") as everything, torch.no_grad():
        model(torch.randn(3, 3, 64, 32))
    assert everything["backbone.bn1"].min() < 0 <= everything["backbone.relu"].min()
    assert "" not in everything  # the network's own output is no tensor


def test_eval_mode_ends_where_it_began(model):
    model.train()
    model.backbone.bn1.eval()
    before = [module.training for module in model.modules()]
    with pytest.raises(KeyError), evaluating(model) as same:
        assert same is model and not any(module.training for module in model.modules())
        raise KeyError
    assert [module.training for module in model.modules()] == before
    model.eval()


def test_unknown_pattern_says_so(model):
    names = [name for name, _ in model.named_modules() if name]
    ends = re.escape(f"has {len(names)}, from {names[:1]} to {names[-1:]}. ")
    with pytest.raises(ValueError, match=f"called like 'gate.*': .* {ends}"), capture(model, "gate.*"):
        pass


def test_a_compiled_network_that_has_run_is_seen_too(model):
    called, images = torch.compile(model, backend="eager"), torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        before = called(images)
        with capture(called) as gates, capture(model, "*.spatial.gate") as inner:
            called(images)
        assert len(gates) == 8 and len(inner) == 4
        torch.testing.assert_close(called(images).embedding, before.embedding)
    assert torch._dynamo.eval_frame._stance.stance == "default"
