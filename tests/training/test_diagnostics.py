"""Each symptom is seen when it is there, and not when it is not."""

from types import SimpleNamespace

import pytest

from rga.symptoms import LOOK_BACK, symptoms


def logs(triplet=1.2, waiting=0.01, steps=LOOK_BACK):
    return [SimpleNamespace(triplet=triplet, waiting=waiting)] * steps


def test_a_run_that_looks_well():
    assert symptoms(logs()) == {}
    assert symptoms(logs(triplet=0.0)) == {}


@pytest.mark.parametrize("triplet", [0.3, 0.301, 0.297])
def test_features_that_are_all_the_same(triplet):
    assert "at the margin" in symptoms(logs(triplet))["collapse"]
    assert symptoms(logs(triplet, steps=LOOK_BACK - 1)) == {}
    assert symptoms(logs(triplet), margin=None) == {} and symptoms(logs(triplet), margin=0.5) == {}
    assert symptoms(logs(triplet) + logs(0.1, steps=40)) == {}  # most of the last 50 are well


def test_a_loss_that_passes_the_margin_is_no_collapse():
    falling = [log for step in range(LOOK_BACK) for log in logs(0.35 - 0.002 * step, steps=1)]
    assert symptoms(falling) == {}
    assert symptoms(logs(0.25, steps=LOOK_BACK // 2) + logs(0.35, steps=LOOK_BACK // 2)) == {}


def test_waiting_for_images():
    assert symptoms(logs(waiting=0.25))["waiting"].startswith(
        "25 % of the time of the last 50 steps passed waiting"
    )
    assert symptoms(logs(waiting=0.19)) == {}
