"""What grows in a long run: nothing but its logs. bench/long_run.py does the same for longer."""

import pytest
import torch

from rga.data import Splits
from rga.io.paths import ROOT


@pytest.fixture
def long_run(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    import long_run

    return long_run


@pytest.fixture
def splits(samples):
    return Splits("tiny", tuple(samples), tuple(samples[:5]), tuple(samples))


def test_memory_handles_and_checkpoints_stay_as_they_are(long_run, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(long_run, "EVALUATE_EVERY", 12)
    result = long_run.long_run(splits, tmp_path, epochs=60, every=12, tensorboard=True)
    used = result["usage"]
    assert len(set(used["threads"][1:])) == len(set(used["checkpoints"][1:])) == 1
    # TensorBoard's thread opens its file anew for a moment. One leaked a checkpoint would be nine of them.
    assert max(used["handles"][1:]) - min(used["handles"][1:]) <= 1
    # A leak of one batch of floats an epoch would be 192 KiB, one of what a checkpoint holds about 300.
    assert (used["rss_kib"][-1] - used["rss_kib"][1]) / 36 < 96
    assert result["checkpoint_bytes_per_step"] < 100
    assert sum(1 for _ in tmp_path.glob("*.pt")) == 1 + long_run.OPTIONS["keep"]


def test_restarts_in_one_process_leave_nothing_and_end_with_the_same_bits(long_run, splits, tmp_path):
    result = long_run.closed(splits, tmp_path, restarts=12)
    assert result["same_bits"]
    used = result["usage"]
    for what in ("handles", "threads", "checkpoints"):
        assert len(set(used[what][3:])) == 1, what
    assert (used["rss_kib"][-1] - used["rss_kib"][3]) / 8 < 300
    (tmp_path / "cut" / "run.pt").unlink()
    changed = torch.load(tmp_path / "straight" / "run.pt", weights_only=True)
    changed["model"]["neck.weight"][0] += 1e-6  # the comparison would notice
    torch.save(changed, tmp_path / "cut" / "run.pt")
    assert not long_run.same_bits(tmp_path / "cut", tmp_path / "straight")
