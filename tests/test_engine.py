"""The loops: they learn, they repeat, they go on where they stopped, and they refuse what cannot be right."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_cuhk03
import torch
from PIL import Image

import rga
from rga import checkpoint
from rga.data import Sample
from rga.models import create_model

SIZE = (64, 32)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Four people, each of one colour, five noisy pictures each by two cameras."""
    folder, rng, made = tmp_path_factory.mktemp("people"), np.random.default_rng(0), []
    for pid, colour in enumerate([(200, 40, 40), (40, 200, 40), (40, 40, 200), (180, 180, 40)]):
        for i in range(5):
            picture = np.clip(rng.normal(colour, 50, (40, 20, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(path := folder / f"{pid}_{i}.png")
            made.append(Sample(path, pid, camid=1 + i % 2))
    return made


def network(seed=0, **kwargs):
    torch.manual_seed(seed)
    return create_model("resnet18", "rga_s", num_pids=4, size=SIZE, init_gates="identity", **kwargs)


def train(model, samples, **kwargs):
    return list(rga.fit(model, samples, **{"epochs": 3, "p": 2, "k": 3, "lr": 3e-4} | kwargs))


def losses(logs):
    return [replace(log, images_per_second=0.0) for log in logs]


def test_logs_count_steps_and_epochs(samples):
    logs = train(network(), samples)
    assert [(log.step, log.epoch) for log in logs] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)]
    assert {(log.steps, log.epochs) for log in logs} == {(6, 3)}
    assert all(log.loss == pytest.approx(log.identity + log.triplet, abs=1e-5) for log in logs)
    assert logs[0].identity == pytest.approx(np.log(4), abs=0.1)
    assert logs[0].lr == pytest.approx(3e-6)


def test_it_learns_who_is_who(samples):
    model = network()
    logs = train(model, samples, epochs=10, schedule=lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0))
    assert logs[-1].loss < 0.8 * logs[0].loss
    splits = rga.data.Splits("tiny", tuple(samples), tuple(samples[::5]), tuple(samples))
    result = rga.evaluate(model, splits)
    assert result.embedding.rank(1) == 1
    assert result.embedding.num_valid == 4
    assert model.training  # evaluation leaves the mode as it was


@pytest.mark.parametrize("amp", [False, True])
def test_the_same_seed_gives_the_same_numbers(samples, amp):
    first, second = (train(network(), samples, amp=amp) for _ in range(2))
    assert losses(first) == losses(second)
    assert losses(first) != losses(train(network(), samples, amp=amp, seed=1))


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # Python 3.12 and later
def test_workers_and_cache_change_nothing(samples, tmp_path):
    plain = losses(train(network(), samples, epochs=1))
    assert losses(train(network(), samples, epochs=1, cache=True)) == plain
    assert losses(train(network(), samples, epochs=1, cache=tmp_path)) == plain
    assert losses(train(network(), samples, epochs=1, workers=2)) == plain


def test_resume_equals_the_run_without_interruption(samples, tmp_path):
    whole = network()
    straight = train(whole, samples, epochs=4)
    cut = rga.fit(network(), samples, epochs=4, p=2, k=3, lr=3e-4, path=tmp_path / "run.pt", save_every=1)
    for log in cut:
        if log.epoch == 3:
            break  # in the middle of an epoch, after the checkpoint of the second
    resumed = network(seed=5)
    logs = train(resumed, samples, epochs=4, path=tmp_path / "run.pt", resume=True)
    assert losses(logs) == losses(straight)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_resume_needs_a_checkpoint_of_this_network(samples, tmp_path):
    with pytest.raises(ValueError, match="pass its path"):
        train(network(), samples, resume=True)
    with pytest.raises(FileNotFoundError, match="found none"):
        train(network(), samples, resume=True, path=tmp_path / "run.pt")
    checkpoint.save(tmp_path / "run.pt", create_model("resnet18", "none", num_pids=4, size=SIZE))
    with pytest.raises(ValueError, match="another network"):
        train(network(), samples, resume=True, path=tmp_path / "run.pt")


def test_a_released_checkpoint_trains_on(samples):
    model = create_model("resnet18", "rga_sc", num_pids=4, size=SIZE)
    rga.models.load_released(model, rga.models.released_state_dict(model))
    assert len(train(model, samples, epochs=1)) == 2


def test_embed_keeps_the_order_and_the_ids(samples):
    model = network().eval()
    embeddings = rga.embed(model, samples, batch_size=3)
    assert embeddings.pids.tolist() == [s.pid for s in samples]
    assert embeddings.camids.tolist() == [s.camid for s in samples]
    assert embeddings.feature.shape == embeddings.embedding.shape == (20, 512)
    alone = rga.embed(model, samples[7:8])
    torch.testing.assert_close(alone.embedding[0], embeddings.embedding[7], rtol=1e-4, atol=1e-4)


def test_flip_is_the_mean_of_an_image_and_its_mirror(samples, tmp_path):
    model, mirrored = network().eval(), []
    for sample in samples[:3]:
        Image.open(sample.path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / sample.path.name)
        mirrored.append(sample._replace(path=tmp_path / sample.path.name))
    plain, mirror, both = (
        rga.embed(model, some, flip=flip)
        for some, flip in ((samples[:3], False), (mirrored, False), (samples[:3], True))
    )
    for name in ("feature", "embedding"):
        mean = (getattr(plain, name) + getattr(mirror, name)) / 2
        torch.testing.assert_close(getattr(both, name), mean, rtol=1e-3, atol=1e-3)
        assert not torch.allclose(getattr(both, name), getattr(plain, name), rtol=1e-3, atol=1e-3)


def test_multi_query_averages_the_images_of_each_query(samples):
    model = network().eval()
    query = tuple(s for s in samples if s.path.stem.endswith("_0"))
    more = tuple(s for s in samples if s.camid == 1)
    splits = rga.data.Splits("tiny", (), query, tuple(samples), multi_query=more)
    result = rga.evaluate(model, splits, multi_query=True)
    assert result.query.pids.tolist() == [0, 1, 2, 3]
    each = rga.embed(model, [s for s in more if s.pid == 2])
    torch.testing.assert_close(result.query.embedding[2], each.embedding.mean(0), rtol=1e-4, atol=1e-4)
    assert result.embedding.num_valid == 4
    with pytest.raises(ValueError, match="tiny has no further images of the query people"):
        rga.evaluate(model, replace(splits, multi_query=()), multi_query=True)


def test_evaluation_does_not_form_the_matrix_but_equals_it(samples):
    splits = rga.data.Splits("tiny", (), tuple(samples[::3]), tuple(samples))
    result = rga.evaluate(network(), splits)
    query, gallery = result.query, result.gallery
    distances = rga.metrics.pairwise_distance(query.feature, gallery.feature)
    matrix = rga.metrics.evaluate_ranking(distances, query.pids, gallery.pids, query.camids, gallery.camids)
    np.testing.assert_array_equal(result.feature.average_precision, matrix.average_precision)


def test_nothing_and_broken_features_cannot_be_ranked(samples):
    with pytest.raises(ValueError, match="there is no image to embed"):
        rga.embed(network(), [])
    model = network()
    with torch.no_grad():
        model.backbone.layer4[0].conv1.weight.fill_(float("nan"))
    splits = rga.data.Splits("tiny", (), tuple(samples[:2]), tuple(samples))
    with pytest.raises(ValueError, match="NaN or infinity .* in 2 of 2 query features"):
        rga.evaluate(model, splits)


def test_the_log_says_what_the_weights_are(samples, caplog):
    with caplog.at_level("INFO", logger="rga"):
        next(rga.fit(network(), samples, epochs=1, p=2, k=2))
    assert "resnet18 + rga_s" in caplog.text
    assert "weights before training: random initialisation (no pretraining)" in caplog.text


def test_labels_that_do_not_fit_the_network(samples):
    with pytest.raises(ValueError, match=r"numbered 0 … 3, .*got 2 from 7 to 9.*num_pids=splits.num_pids"):
        train(network(), [Sample(samples[0].path, 7, 1), Sample(samples[0].path, 9, 1)])
    with pytest.raises(ValueError, match="got none"):
        train(network(), [])


def test_a_loss_that_is_no_number_stops_the_run(samples):
    model = network()
    with torch.no_grad():
        model.classifier.weight.fill_(float("inf"))
    with pytest.raises(ValueError, match="the loss became nan at step 1"):
        train(model, samples)


def test_the_official_release_from_file_to_score(tmp_path):
    splits = rga.data.load("cuhk03", tiny_cuhk03.write_all(tmp_path / "cuhk03"))
    torch.manual_seed(0)
    model = create_model("mobilenet_v2", "rga_sc", num_pids=splits.num_pids, size=SIZE, init_gates="identity")
    assert len(train(model, splits.train, p=2, k=2, epochs=1)) == splits.num_pids // 2
    result = rga.evaluate(model, splits)
    assert 0 <= result.feature.mAP <= 1
    assert len(result.query.pids) == len(splits.query)
