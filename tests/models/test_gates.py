"""The layers that end an attention, found in any network."""

import pytest
from torch import nn

from rga.models import ATTENTION
from rga.models.gates import last_layers

SIZE = (8, 4)


@pytest.mark.parametrize("name", [name for name, make in ATTENTION.items() if make])
def test_every_attention_has_last_layers_that_start_as_nothing(name):
    gates = last_layers(nn.Sequential(ATTENTION[name](32, SIZE, init_gates="identity")))
    assert gates and all(not weight.any() for weight in gates)


def test_a_plain_layer_ends_no_attention():
    assert last_layers(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))) == []
