"""python -m rga search: table, JSON, contact sheet, index, and what it says of each fault."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import rga
from rga import plot
from rga.__main__ import main
from rga.data import Sample, read_image
from rga.metrics import pairwise_distance, rerank
from rga.models import ReIDModel
from rga.search import build_index, load_index
from rga.training.checkpoint import load_model, save


@pytest.fixture
def search(checkpoints, gallery):
    """Runs the command, for images of the gallery unless it is said otherwise."""

    def run(*arguments, queries=("0/0.png",)):
        paths = [str(gallery / query) for query in queries]
        given = ["--gallery", str(gallery), "--checkpoint", str(checkpoints / "one.pt"), "--device", "cpu"]
        return main(["search", *paths, *given, *map(str, arguments)])

    return run


def nearest(checkpoints, gallery, query):
    """The other images by their distance."""
    index = build_index(load_model(checkpoints / "one.pt"), gallery)
    own = index.features[index.paths.index(query)][None]
    distances = pairwise_distance(own, index.features)[0]
    return [(index.paths[i], float(distances[i])) for i in distances.argsort() if index.paths[i] != query]


def test_the_table_holds_the_nearest_images_but_not_the_query(search, checkpoints, gallery, capsys):
    assert search("-k", 4, queries=("0/0.png", "1/7.png")) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert not err and len(lines) == 12
    assert lines[0] == f"query 1: {gallery}/0/0.png" and lines[6] == f"query 2: {gallery}/1/7.png"
    assert lines[1] == lines[7] == "rank | distance | similarity | path"
    for query, rows in (("0/0.png", lines[2:6]), ("1/7.png", lines[8:])):
        expected = nearest(checkpoints, gallery, query)[:4]
        for rank, (row, (path, distance)) in enumerate(zip(rows, expected, strict=True), 1):
            cells = [cell.strip() for cell in row.split("|")]
            assert cells[0] == str(rank) and cells[3] == path
            assert float(cells[1]) == pytest.approx(distance, abs=1e-4)
            assert float(cells[2]) == pytest.approx(1 - distance, abs=1e-4)


def test_a_query_from_elsewhere_finds_its_copy(search, gallery, tmp_path, capsys):
    shutil.copy(gallery / "2/5.png", tmp_path / "query.png")
    assert search("-k", 1, queries=(tmp_path / "query.png",)) == 0
    cells = capsys.readouterr().out.splitlines()[2].split("|")
    assert cells[3].strip() == "2/5.png" and float(cells[1]) == pytest.approx(0, abs=1e-4)


def test_all_images_are_found_if_there_are_fewer(search, capsys):
    assert search("-k", 1000) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 24


def test_json_says_the_same(search, checkpoints, gallery, tmp_path, capsys):
    assert search("-k", 3, "--json", tmp_path / "new" / "found.json", queries=("0/0.png", "1/7.png")) == 0
    content = json.loads((tmp_path / "new" / "found.json").read_text(encoding="utf-8"))
    assert content["gallery"] == gallery.as_posix() and content["images"] == 25
    assert content["network"] == build_index(load_model(checkpoints / "one.pt"), gallery).model
    assert (content["flip"], content["rerank"], content["unreadable"]) == (False, False, [])
    assert content["provenance"]["rga"] == rga.__version__
    assert [answer["query"] for answer in content["queries"]] == [f"{gallery}/0/0.png", f"{gallery}/1/7.png"]
    assert [row["rank"] for row in content["queries"][0]["matches"]] == [1, 2, 3]
    for answer, query in zip(content["queries"], ("0/0.png", "1/7.png"), strict=True):
        expected = nearest(checkpoints, gallery, query)[:3]
        assert [row["path"] for row in answer["matches"]] == [path for path, _ in expected]
        for row, (_, distance) in zip(answer["matches"], expected, strict=True):
            assert row["distance"] == pytest.approx(distance, abs=1e-5)
            assert row["similarity"] == pytest.approx(1 - distance, abs=1e-5)
    assert os.listdir(tmp_path / "new") == ["found.json"]


def test_the_contact_sheet_has_ranks_and_distances(search, checkpoints, gallery, tmp_path, monkeypatch):
    seen = {}
    rows = plot.rows
    monkeypatch.setattr(plot, "rows", lambda *args: seen.setdefault("figure", rows(*args)))
    assert search("-k", 3, "--sheet", tmp_path / "found.png") == 0
    words = [ax.get_title() for ax in seen["figure"].axes if ax.get_title()]
    words += [text.get_text() for ax in seen["figure"].axes for text in ax.texts if text.get_text()]
    distances = [f"{distance:.3f}" for _, distance in nearest(checkpoints, gallery, "0/0.png")[:3]]
    assert words == ["query", "1", "2", "3", "query 1", *distances]


def test_the_contact_sheet_is_a_picture(search, tmp_path):
    for n, queries in enumerate((("0/0.png",), ("0/0.png", "1/7.png", "2/8.png")), 1):
        assert search("-k", 5, "--sheet", tmp_path / "new" / f"{n}.png", queries=queries) == 0
    one, three = (read_image(tmp_path / "new" / f"{n}.png") for n in (1, 2))
    assert one.shape[2] == three.shape[2] and three.shape[1] > 1.5 * one.shape[1]
    assert len(one.unique()) > 100  # the images are in it
    assert sorted(os.listdir(tmp_path / "new")) == ["1.png", "2.png"]


def test_reranked_lists(search, checkpoints, gallery, tmp_path, capsys):
    assert search("--rerank", "-k", 3, "--json", tmp_path / "found.json") == 0
    index = build_index(load_model(checkpoints / "one.pt"), gallery)
    own = index.paths.index("0/0.png")
    distances = rerank(index.features[own][None], index.features)[0]
    expected = [i for i in distances.argsort(stable=True).tolist() if i != own][:3]
    rows = json.loads((tmp_path / "found.json").read_text())["queries"][0]["matches"]
    assert [row["distance"] for row in rows] == pytest.approx(distances[expected].tolist(), abs=1e-5)
    cosines = index.features[[index.paths.index(row["path"]) for row in rows]] @ index.features[own]
    assert [row["similarity"] for row in rows] == pytest.approx(cosines.tolist(), abs=1e-5)


@pytest.mark.parametrize("images", [5, 2])
def test_too_few_images_to_rerank(images, search, gallery, capsys):
    """Fewer neighbours are compared, and the results are printed; two images are the fewest that give one."""
    for i in range(images, 25):
        (gallery / f"{i % 3}" / f"{i}.png").unlink()
    assert search("--rerank") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 + images - 1
    fewer = f"k1 = {images} and k2 = {min(6, images + 1)} instead of 20 and 6"
    assert fewer in err and f"only {images + 1} images" in err


def test_the_parameters_of_reranking_are_options(search, checkpoints, gallery, tmp_path):
    options = ("--rerank", "--k1", 5, "--k2", 3, "--lambda", 0.5, "-k", 3)
    assert search(*options, "--json", tmp_path / "found.json") == 0
    index = build_index(load_model(checkpoints / "one.pt"), gallery)
    own = index.paths.index("0/0.png")
    distances = rerank(index.features[own][None], index.features, k1=5, k2=3, lambda_=0.5)[0]
    expected = sorted(distances[[i for i in range(25) if i != own]].tolist())[:3]
    content = json.loads((tmp_path / "found.json").read_text())
    rows = content["queries"][0]["matches"]
    assert [row["distance"] for row in rows] == pytest.approx(expected, abs=1e-5)
    assert (content["k1"], content["k2"], content["lambda_"]) == (5, 3, 0.5)


def test_flip_embeds_queries_and_gallery_alike(search, checkpoints, gallery, tmp_path):
    assert search("--flip", "-k", 2, "--json", tmp_path / "found.json") == 0
    model = load_model(checkpoints / "one.pt")
    index = build_index(model, gallery, flip=True)
    own = rga.embed(model, [Sample(gallery / "0/0.png", 0, 0)], flip=True).embedding
    rows = json.loads((tmp_path / "found.json").read_text())["queries"][0]["matches"]
    expected = index.search(own, 3).distances[0, 1:]
    torch.testing.assert_close(torch.tensor([row["distance"] for row in rows]), expected, atol=1e-5, rtol=0)


def test_the_index_is_kept_and_refused_by_another_network(search, checkpoints, gallery, tmp_path, capsys):
    kept = tmp_path / "index.pt"
    assert search("--index", kept) == 0
    first, written = capsys.readouterr().out, kept.stat().st_mtime_ns
    assert len(load_index(kept).paths) == 25
    assert search("--index", kept) == 0
    assert capsys.readouterr().out == first and kept.stat().st_mtime_ns == written
    assert search("--index", kept, "--checkpoint", checkpoints / "other.pt") == 1
    assert "is an index of another network" in capsys.readouterr().err
    assert kept.stat().st_mtime_ns == written


def test_unreadable_images(search, gallery, capsys):
    (gallery / "1" / "broken.jpg").write_bytes(b"no image")
    assert search() == 1
    out, err = capsys.readouterr()
    assert not out and "1 of the 26 images" in err and "broken.jpg" in err and "--skip-unreadable" in err
    assert search("--skip-unreadable") == 0
    out, err = capsys.readouterr()
    assert err == "left out, cannot be read: 1/broken.jpg\n" and len(out.splitlines()) == 12


def test_whole_scenes_are_said(search, gallery, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's; as in a process of the command's own
    Image.new("RGB", (64, 48)).save(tmp_path / "frame.jpg")
    assert search("-k", 1, queries=(tmp_path / "frame.jpg",)) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3 and len(err.splitlines()) == 1
    assert (
        err.startswith("warning: queries look like whole scenes: 1 of 1")
        and "frame.jpg (64 × 48 pixels)" in err
    )
    for path in gallery.rglob("*.png"):
        Image.new("RGB", (64, 48)).save(path)
    shutil.copy(tmp_path / "frame.jpg", gallery / "0" / "0.png")
    assert search("-k", 1) == 0
    queries, images = capsys.readouterr().err.splitlines()
    assert queries.startswith("warning: queries look like whole scenes: 1 of 1")
    assert images.startswith(f"images in {gallery} look like whole scenes: 25 of 25")


def test_faults_are_one_line_without_traceback(search, checkpoints, gallery, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no image")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "else.pt")
    faults = {
        "there is no image": {"queries": ("nowhere.png",)},
        "text.png cannot be read as an image": {"queries": (tmp_path / "text.png",)},
        "expected images in": {"arguments": ("--gallery", tmp_path / "empty")},
        "expected a folder of images": {"arguments": ("--gallery", tmp_path / "nowhere")},
        "expected a checkpoint at": {"arguments": ("--checkpoint", tmp_path / "nowhere.pt")},
        "expected a checkpoint written by rga": {"arguments": ("--checkpoint", tmp_path / "else.pt")},
        "expected an index written by rga": {"arguments": ("--index", checkpoints / "one.pt")},
        "there is no device 'cuda:99'": {"arguments": ("--device", "cuda:99")},
        "there is no device 'gpu'": {"arguments": ("--device", "gpu")},
    }
    for message, fault in faults.items():
        assert search(*fault.pop("arguments", ()), **fault) == 1
        out, err = capsys.readouterr()
        assert message in err and "Traceback" not in err and not out


def test_a_network_built_by_hand_is_one_line_in_every_command(checkpoints, gallery, cuhk03, tmp_path, capsys):
    by_hand = ReIDModel(load_model(checkpoints / "one.pt").backbone, 512, 3, (64, 32))
    save(tmp_path / "hand.pt", by_hand)
    given = ["--checkpoint", tmp_path / "hand.pt", "--device", "cpu"]
    image = gallery / "0/0.png"
    for command in (
        ["search", image, "--gallery", gallery, *given],
        ["evaluate", "cuhk03", cuhk03, *given],
        ["calibrate", "cuhk03", cuhk03, *given, "--out", tmp_path / "calibration.json"],
        ["verify", image, image, *given, "--calibration", tmp_path / "calibration.json"],
        ["export", tmp_path / "hand.pt", "--format", "torch", "--out", tmp_path / "network.pt2"],
    ):
        assert main([*map(str, command)]) == 1
        err = capsys.readouterr().err
        assert "hand.pt holds a network built by hand" in err and "rga.checkpoint.load_model" in err


@pytest.mark.parametrize("wrong", ["-k 0", "-k -1", "-k many", "--reranked"])
def test_wrong_usage(search, wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        search(*wrong.split())
    assert "usage: python -m rga" in capsys.readouterr().err


def test_it_runs_as_a_command(checkpoints, gallery, tmp_path):
    arguments = [gallery / "0/0.png", "--gallery", gallery, "--checkpoint", checkpoints / "one.pt", "-k", "2"]
    arguments += ["--sheet", tmp_path / "sheet.png"]
    run = [sys.executable, "-W", "error", "-m", "rga", "search", *map(str, arguments)]
    root = Path(rga.__file__).parents[1]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 4 and not done.stderr
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
