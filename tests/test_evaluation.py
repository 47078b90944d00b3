"""Features and their ranking: in the order of the samples, averaged as asked for, refused where NaN."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.processes import together
from helpers.small_network import network
from PIL import Image

import rga
from rga.data import crop_boxes, read_image

WORKERS_FORK = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 and 3.13, with threads


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


@WORKERS_FORK
@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_every_kind_have_the_features_of_their_files(samples, workers):
    model, paths = network().eval(), [sample.path for sample in samples[:8]]
    pixels = [read_image(path) for path in paths]
    arrays = [image.permute(1, 2, 0).numpy() for image in pixels]
    bgr = np.ascontiguousarray(arrays[3][..., ::-1])
    mixed = [
        samples[0],
        str(paths[1]),
        Image.open(paths[2]),
        bgr[..., ::-1],
        pixels[4],
        pixels[5].contiguous(),
    ]
    mixed += [Image.fromarray(arrays[6]), np.asarray(Image.open(paths[7]))]
    expected = rga.embed(model, samples[:8], batch_size=3)
    given = rga.embed(model, (image for image in mixed), batch_size=3, workers=workers)
    assert torch.equal(given.feature, expected.feature) and torch.equal(given.embedding, expected.embedding)
    assert given.pids.tolist() == [samples[0].pid] + 7 * [-1]
    assert given.camids.tolist() == [samples[0].camid] + 7 * [-1]


@WORKERS_FORK
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_same_batches_give_the_same_bits_others_differ_by_rounding(samples, workers):
    splits = rga.data.Splits("tiny", (), tuple(samples[:7]), tuple(samples))
    model = network(attention="rga_sc")
    first = rga.evaluate(model, splits, batch_size=8)
    again = rga.evaluate(model, splits, batch_size=8, workers=workers)
    assert torch.equal(again.gallery.feature, first.gallery.feature)
    assert torch.equal(again.gallery.embedding, first.gallery.embedding)
    assert (again.embedding.mAP, again.embedding.mINP) == (first.embedding.mAP, first.embedding.mINP)
    for size in (1, 3, 64):
        other = rga.evaluate(model, splits, batch_size=size, workers=workers)
        torch.testing.assert_close(other.gallery.embedding, first.gallery.embedding, rtol=1e-4, atol=1e-4)


def test_one_array_or_tensor_of_many_images_is_a_list(samples):
    model, pixels = network().eval(), torch.stack([read_image(sample.path) for sample in samples[:3]])
    expected = rga.embed(model, samples[:3]).embedding
    assert torch.equal(rga.embed(model, pixels).embedding, expected)
    assert torch.equal(rga.embed(model, pixels.permute(0, 2, 3, 1).numpy()).embedding, expected)


def test_grey_and_large_images(samples, tmp_path):
    model, rng = network().eval(), np.random.default_rng(0)
    grey, large = (rng.integers(0, 256, size, dtype=np.uint8) for size in ((50, 20), (700, 301, 3)))
    for name, pixels in (("grey", grey), ("large", large)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    files = rga.embed(model, [tmp_path / "grey.png", tmp_path / "large.png"]).embedding
    assert torch.equal(rga.embed(model, [grey, large]).embedding, files)
    contiguous = torch.from_numpy(large).permute(2, 0, 1).contiguous()
    assert torch.equal(rga.embed(model, [contiguous, contiguous]).embedding, files[[1, 1]])


def test_people_cut_out_of_a_frame_have_the_features_of_their_files(tmp_path):
    model, frame = network().eval(), np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    boxes = [(10, 20, 70, 200), (100, 0, 133, 90), (250, 100, 320, 240)]
    for number, (left, top, right, bottom) in enumerate(boxes):
        Image.fromarray(frame[top:bottom, left:right]).save(tmp_path / f"{number}.png")
    files = rga.embed(model, [tmp_path / f"{number}.png" for number in range(3)])
    assert torch.equal(rga.embed(model, crop_boxes(frame, boxes)).embedding, files.embedding)


def embed_of_every_kind(paths):
    model, images = network(), [read_image(path) for path in paths]
    given = [paths[0], images[1], images[2].permute(1, 2, 0).numpy(), Image.open(paths[3]), images[4]]
    with pytest.raises(ValueError, match=r"images\[4\]"):  # in every process, whoever has it
        rga.embed(model, [*given[:4], None])
    return rga.embed(model, given).embedding


def test_several_processes_share_images_in_memory(samples):
    paths = [sample.path for sample in samples[:5]]
    alone = rga.embed(network(), paths).embedding
    for embedding in together(embed_of_every_kind, paths):
        torch.testing.assert_close(embedding, alone, rtol=1e-4, atol=1e-4)


def test_a_faulty_image_is_named_before_any_work(samples, monkeypatch):
    model = network()
    monkeypatch.setattr(model, "forward", lambda images: pytest.fail("work was done"))
    good = read_image(samples[0].path)
    for wrong, message in (
        (good.float(), r"images\[2\]: expected a uint8 tensor .*, got float32"),
        (good.numpy(), r"images\[2\]: .*Move its axes"),
        ((good, (0, 0, 5, 5)), r"images\[2\]: expected a path, .* got tuple"),
        (good[:, :0], r"images\[2\]: .*no pixels"),
    ):
        with pytest.raises(ValueError, match=message):
            rga.embed(model, [samples[0], good, wrong, good])


@pytest.mark.parametrize("kind", ["Sample", "PosixPath", "str", "Image", "ndarray", "Tensor"])
def test_one_image_is_no_list(samples, kind):
    path = samples[0].path
    image = read_image(path)
    array = image.permute(1, 2, 0).numpy()
    ones = {"Sample": samples[0], "PosixPath": path, "str": str(path), "Tensor": image, "ndarray": array}
    one = ones.get(kind, Image.fromarray(array))
    with pytest.raises(ValueError, match=rf"expected a list of images, got one {kind}: give \[image\]"):
        rga.embed(network(), one)


def test_a_generator_without_images(samples):
    with pytest.raises(ValueError, match="there is no image to embed"):
        rga.embed(network(), (image for image in ()))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        rga.embed(network(), [samples[0].path, "nowhere.png"])
