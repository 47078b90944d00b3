"""Numbers that are none, too small or all the same: refused, or a result that is finite."""

import numpy as np
import pytest
import torch
from helpers.small_network import SIZE, network
from hypothesis import given, settings
from hypothesis import strategies as st

import rga
from rga.metrics import evaluate_ranking, pairwise_distance, rerank
from rga.training.losses import identity_loss, triplet_loss

IDS, CAMERAS, LABELS = [1, 1, 2, 2, 3, 3], [1, 2] * 3, torch.tensor([0, 0, 1, 1, 2, 2])
DENORMAL = 1e-42 * torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_inf_are_refused_before_they_reach_a_score(value):
    features = torch.ones(6, 8)
    features[2, 3] = value
    for function in (pairwise_distance, rerank):
        with pytest.raises(ValueError, match="finite numbers, got NaN or infinity"):
            function(features, torch.ones(6, 8))
    if value != value:
        with pytest.raises(ValueError, match="got NaN"):
            evaluate_ranking(torch.full((6, 6), value), IDS, IDS, CAMERAS, CAMERAS)


@pytest.mark.parametrize(
    "features", [torch.ones(6, 8), torch.zeros(6, 8), DENORMAL], ids=["equal", "zero", "denormal"]
)
def test_features_without_a_difference_have_finite_losses_and_gradients(features):
    """A collapsed network: the triplet loss is the margin, which `rga.training.diagnostics` tells of."""
    features = features.clone().requires_grad_()
    loss = triplet_loss(features, LABELS)
    loss.backward()
    assert loss.item() == pytest.approx(0.3, abs=1e-5) and features.grad.isfinite().all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_features_without_a_difference_have_finite_distances(metric):
    for features in (torch.ones(6, 8), torch.zeros(6, 8), DENORMAL):
        assert pairwise_distance(features, features, metric).isfinite().all()
    equal = rerank(torch.ones(6, 8), torch.ones(6, 8), k1=3, k2=2)
    assert np.isfinite(np.asarray(equal)).all()
    with pytest.raises(ValueError, match="nothing but zeros in 6 of 6"):
        rerank(torch.zeros(6, 8), torch.ones(6, 8), k1=3, k2=2)


def test_equal_distances_are_ranked_in_the_order_of_the_gallery():
    once, again = (evaluate_ranking(torch.zeros(6, 6), IDS, IDS, CAMERAS, CAMERAS) for _ in range(2))
    assert once.mAP == again.mAP and 0 < once.mAP < 1


def test_one_camera_or_no_identity_in_common_has_no_score():
    for ids, cameras in ((IDS, [1] * 6), ([7] * 6, CAMERAS)):
        with pytest.raises(ValueError, match="no query has a match"):
            evaluate_ranking(torch.rand(6, 6), ids, IDS, cameras, [1] * 6 if ids is IDS else CAMERAS)


def test_one_identity_cannot_be_trained_on_and_is_found_always(samples):
    with pytest.raises(ValueError, match="at least two identities"):
        triplet_loss(torch.randn(6, 8), torch.zeros(6, dtype=torch.long))
    with pytest.raises(ValueError, match="Batches need p=2 identities, the training set has 1"):
        next(rga.fit(network(), samples[:5], epochs=1, p=2, k=2))
    assert evaluate_ranking(torch.rand(6, 6), [1] * 6, [1] * 6, CAMERAS, CAMERAS).mAP == 1


def test_a_batch_of_one_in_training_mode_is_refused_by_batch_norm():
    model = network()
    with pytest.raises(ValueError, match="more than 1 value per channel when training"):
        model.train()(torch.randn(1, 3, *SIZE))
    assert model.eval()(torch.randn(1, 3, *SIZE)).embedding.isfinite().all()


NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


@settings(max_examples=60, deadline=20_000)
@given(
    st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=4, max_size=4),
    st.sampled_from(["cosine", "euclidean"]),
)
def test_any_numbers_have_finite_distances_or_are_refused(rows, metric):
    features = torch.tensor(rows)
    try:
        distances = pairwise_distance(features, features, metric)
    except ValueError as error:
        assert "finite numbers" in str(error)
    else:
        assert distances.isfinite().all() and features.isfinite().all()


@settings(max_examples=60, deadline=20_000)
@given(
    st.lists(st.integers(-1, 3), min_size=5, max_size=5),
    st.lists(st.integers(-1, 3), min_size=5, max_size=5),
    st.lists(st.integers(0, 2), min_size=10, max_size=10),
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 3e38, -1.0]), min_size=25, max_size=25),
)
def test_any_ids_have_scores_between_0_and_1_or_none(q_pids, g_pids, cameras, distances):
    try:
        ranking = evaluate_ranking(
            torch.tensor(distances).view(5, 5), q_pids, g_pids, cameras[:5], cameras[5:]
        )
    except ValueError as error:
        assert "no query has a match" in str(error)
    else:
        assert 0 < ranking.mINP <= 1 and 0 < ranking.mAP <= 1 and 0 <= ranking.rank(1) <= ranking.rank(5) <= 1


@settings(max_examples=40, deadline=20_000)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.floats(-1e4, 1e4, width=32))
def test_any_labels_have_a_finite_loss_or_are_refused(labels, scale):
    features = scale * torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0))
    assert identity_loss(features, torch.tensor(labels)).isfinite()
    try:
        loss = triplet_loss(features, torch.tensor(labels))
    except ValueError as error:
        assert "at least two identities with at least two images" in str(error)
    else:
        assert loss.isfinite()
