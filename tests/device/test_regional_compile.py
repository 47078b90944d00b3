"""Some modules of a network compiled, each by itself: only where it is called through them."""

import pytest
import torch
from torch import nn

from rga.device.regional_compile import CompiledRegions


@pytest.fixture
def compiled(monkeypatch):
    """What is called compiled; nothing is compiled in truth."""
    called = []
    compile = lambda function, **_: lambda x: called.append(function.__self__) or function(x)  # noqa: E731
    monkeypatch.setattr(torch, "compile", compile)
    return called


def test_only_the_regions_and_only_through_it(compiled):
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    regions, x = CompiledRegions(network, network[1:]), torch.randn(2, 3)
    assert torch.equal(regions(x), network(x))
    assert compiled == [network[1], network[2]]
    assert regions.state_dict().keys() == {f"network.{name}" for name in network.state_dict()}


def test_an_error_leaves_the_network_as_it_is(compiled):
    network = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        CompiledRegions(network, network)(torch.randn(2, 4))
    network(torch.randn(2, 3))
    assert compiled == [network[0]] and "forward" not in vars(network[0])
