"""Features and their ranking: in the order of the samples, averaged as asked for, refused where NaN."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.small_network import network
from PIL import Image

import rga


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
