"""The bytes that RGA moves: the table in docs/, and the multiply-adds beside them, which PyTorch counts, too."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rga.io.paths import ROOT
from rga.models import RGA


@pytest.fixture
def traffic(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    import traffic
    import train_step  # noqa: F401, teaches PyTorch's counter one more operation

    return traffic


def test_the_table_in_docs(traffic):
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    for tiled in (False, True):
        table = "\n".join(traffic.table(64, (256, 128), 2, 3.0, tiled))
        assert table in page, f"python bench/traffic.py{' --tiled' * tiled}"


@pytest.mark.parametrize("shape", [(256, 16, 8), (64, 8, 4)])
def test_multiply_adds(traffic, shape):
    channels, *size = shape
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        RGA(channels, size)(torch.randn(2, *shape))
    assert sum(macs for _, macs in traffic.stage(*shape).values()) == counter.get_total_flops() / 2 / 2
