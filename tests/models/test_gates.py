"""How a gate is made of a logit, and the layers that end an attention, found in any network."""

import pytest
import torch
from torch import nn

from rga.models import ATTENTION
from rga.models.gates import last_layers, make_gate

SIZE = (8, 4)


def test_a_gate_is_a_sigmoid_or_twice_that():
    logits = torch.tensor([-30.0, -1.0, 0.0, 2.0, 30.0], dtype=torch.float64)
    sigmoid = 1 / (1 + (-logits).exp())
    torch.testing.assert_close(make_gate(nn.Identity(), "released")(logits), sigmoid)
    torch.testing.assert_close(make_gate(nn.Identity(), "identity")(logits), 2 * sigmoid)
    with pytest.raises(ValueError, match="init_gates"):
        make_gate(nn.Identity(), "open")


@pytest.mark.parametrize("name", [name for name, make in ATTENTION.items() if make])
def test_every_attention_has_last_layers_that_start_as_nothing(name):
    gates = last_layers(nn.Sequential(ATTENTION[name](32, SIZE, init_gates="identity")))
    assert gates and all(not weight.any() for weight in gates)


def test_a_plain_layer_ends_no_attention():
    assert last_layers(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))) == []
