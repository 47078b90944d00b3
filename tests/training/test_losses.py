"""The losses: equal to the released code's numbers and gradients."""

import numpy as np
import pytest
import torch
from helpers.released_weights import GOLDEN

from rga.training.losses import identity_loss, triplet_loss


@pytest.fixture
def golden():
    return {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / "losses_and_schedule.npz").items()}


def test_equal_the_released_code(golden):
    logits, features = golden["logits"].requires_grad_(), golden["feat"].requires_grad_()
    identity, triplet = identity_loss(logits, golden["y"]), triplet_loss(features, golden["y"])
    identity.backward()
    triplet.backward()
    soft = triplet_loss(features, golden["y"], margin=None)
    mine = {"ce": identity, "triplet": triplet, "triplet_soft": soft}
    mine |= {"ce_grad": logits.grad, "triplet_grad": features.grad}
    for name, value in mine.items():
        torch.testing.assert_close(value, golden[name], rtol=0, atol=1e-9, msg=name)


def test_triplet_by_hand():
    features = torch.tensor([[0.0], [1.0], [3.0], [5.0]])
    # farthest of the same identity: 1 1 2 2; nearest of the other: 3 2 2 4; margin 0.3 leaves only the third anchor.
    assert triplet_loss(features, torch.tensor([0, 0, 1, 1])).item() == pytest.approx(0.3 / 4)


def test_equal_features_have_a_gradient():
    features = torch.zeros(4, 3, requires_grad=True)
    triplet_loss(features, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 2]])
def test_batches_that_cannot_be_compared(labels):
    with pytest.raises(ValueError, match="at least two identities with at least two images each"):
        triplet_loss(torch.randn(3, 2), torch.tensor(labels))
