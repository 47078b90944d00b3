"""Each symptom is seen when it is there, and not when it is not."""

from types import SimpleNamespace

import pytest

from rga.training.diagnostics import LOOK_BACK, diagnose


def logs(triplet=1.2, waiting=0.01, steps=LOOK_BACK):
    return [SimpleNamespace(triplet=triplet, waiting=waiting)] * steps


def test_a_run_that_looks_well():
    assert diagnose(logs()) == {}
    assert diagnose(logs(triplet=0.0)) == {}


@pytest.mark.parametrize("triplet", [0.3, 0.301, 0.297])
def test_features_that_are_all_the_same(triplet):
    assert "at the margin" in diagnose(logs(triplet))["collapse"]
    assert diagnose(logs(triplet, steps=LOOK_BACK - 1)) == {}
    assert diagnose(logs(triplet), margin=None) == {} and diagnose(logs(triplet), margin=0.5) == {}
    assert diagnose(logs(triplet) + logs(0.1, steps=40)) == {}  # most of the last 50 are well


def test_a_loss_that_passes_the_margin_is_no_collapse():
    falling = [log for step in range(LOOK_BACK) for log in logs(0.35 - 0.002 * step, steps=1)]
    assert diagnose(falling) == {}
    assert diagnose(logs(0.25, steps=LOOK_BACK // 2) + logs(0.35, steps=LOOK_BACK // 2)) == {}


def test_waiting_for_images():
    assert diagnose(logs(waiting=0.25))["waiting"].startswith(
        "25 % of the time of the last 50 steps passed waiting"
    )
    assert diagnose(logs(waiting=0.19)) == {}


def test_another_loss_has_no_margin_to_sit_at():
    assert diagnose(logs(triplet=None)) == {}
    assert diagnose(logs(0.3, steps=20) + logs(None, steps=30)) == {}
    assert "collapse" in diagnose(logs(None, steps=2) + logs(0.3, steps=48))
