"""Person search: what an index holds, what is embedded again, what is refused, and that k-NN search is exact."""

import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from rga import search
from rga.data import Sample
from rga.evaluation import embed
from rga.metrics import pairwise_distance
from rga.models import create_model
from rga.search import Index, build_index, fingerprint, load_index
from rga.training.checkpoint import load_model, save

NAMES = ("one.png", "a folder/two #2.JPG", "a folder/deeper/Ünïcode.bmp", "z.webp")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("resnet18", "none", num_pids=3, size=(64, 32)).eval()


def noise(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(NAMES):
        noise(tmp_path / "gallery" / name, seed)
    (tmp_path / "gallery" / "notes.txt").write_text("no image")
    noise(tmp_path / "gallery" / ".hidden" / "three.png")
    return tmp_path / "gallery"


@pytest.fixture
def embedded(monkeypatch):
    """Names of the images that have been embedded."""
    seen = []

    def count(model, paths, **options):
        result = embed(model, paths, **options)
        seen.extend(path.name for path in paths)
        return result

    monkeypatch.setattr(search, "embed", count)
    return seen


def index_of(features):
    paths = tuple(f"{i:07}.png" for i in range(len(features)))
    stamps = torch.zeros(len(paths), 2, dtype=torch.int64)
    return Index("model", False, paths, stamps, F.normalize(features, dim=1))


def test_an_index_holds_every_image_below_the_folder(model, folder):
    index = build_index(model, folder)
    assert index.paths == tuple(sorted(NAMES)) and not index.unreadable
    samples = [Sample(folder / path, 0, 0) for path in index.paths]
    expected = F.normalize(embed(model, samples).embedding, dim=1)
    torch.testing.assert_close(index.features, expected)
    assert index.stamps[0].tolist() == [samples[0].path.stat().st_size, samples[0].path.stat().st_mtime_ns]
    assert index.model == fingerprint(model)


def test_a_saved_index_comes_back(model, folder, tmp_path):
    index = build_index(model, str(folder), tmp_path / "new" / "index.pt")
    loaded = load_index(tmp_path / "new" / "index.pt", model)
    assert (loaded.model, loaded.paths, loaded.unreadable) == (index.model, index.paths, index.unreadable)
    torch.testing.assert_close((loaded.features, loaded.stamps), (index.features, index.stamps))
    assert os.listdir(tmp_path / "new") == ["index.pt"]


def test_only_new_and_changed_images_are_embedded_again(model, folder, tmp_path, embedded):
    path = tmp_path / "index.pt"
    before = build_index(model, folder, path)
    assert len(embedded) == 4
    embedded.clear()
    written = path.stat().st_mtime_ns
    torch.testing.assert_close(build_index(model, folder, path).features, before.features, rtol=0, atol=0)
    assert not embedded and path.stat().st_mtime_ns == written

    noise(folder / "new" / "five.png", 5)
    noise(folder / "one.png", 6)
    os.utime(folder / "z.webp", ns=(1, 1))  # of the same size, changed at another time
    (folder / "a folder/two #2.JPG").unlink()
    after = build_index(model, folder, path)
    assert sorted(embedded) == ["five.png", "one.png", "z.webp"]
    assert after.paths == ("a folder/deeper/Ünïcode.bmp", "new/five.png", "one.png", "z.webp")
    whole = build_index(model, folder)
    torch.testing.assert_close(after.features, whole.features)
    torch.testing.assert_close(after.stamps, whole.stamps)

    embedded.clear()
    (folder / "one.png").unlink()
    assert len(build_index(model, folder, path).paths) == len(load_index(path).paths) == 3
    assert not embedded


def test_mirrored_features_have_an_index_of_their_own(model, folder, tmp_path):
    plain, flipped = (
        build_index(model, folder, tmp_path / f"{flip}.pt", flip=flip) for flip in (False, True)
    )
    samples = [Sample(folder / path, 0, 0) for path in flipped.paths]
    expected = F.normalize(embed(model, samples, flip=True).embedding, dim=1)
    torch.testing.assert_close(flipped.features, expected)
    assert load_index(tmp_path / "True.pt").flip and not load_index(tmp_path / "False.pt").flip
    with pytest.raises(ValueError, match=r"True\.pt is an index with flip=True: ask for that"):
        build_index(model, folder, tmp_path / "True.pt")


def test_a_folder_may_move(model, folder, tmp_path, embedded):
    build_index(model, folder, folder / "index.pt")
    embedded.clear()
    folder.rename(tmp_path / "elsewhere")
    build_index(model, tmp_path / "elsewhere", tmp_path / "elsewhere" / "index.pt")
    assert not embedded


def test_an_index_of_another_network_is_refused(model, folder, tmp_path):
    build_index(model, folder, tmp_path / "index.pt")
    other = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    for refuse in (
        lambda: build_index(other, folder, tmp_path / "index.pt"),
        lambda: load_index(tmp_path / "index.pt", other),
    ):
        with pytest.raises(
            ValueError, match=r"index\.pt is an index of another network .* choose that network"
        ):
            refuse()
    assert load_index(tmp_path / "index.pt").model == fingerprint(model)


def test_the_fingerprint_is_of_what_decides_the_features(model, tmp_path):
    before = fingerprint(model)
    save(tmp_path / "checkpoint.pt", model)
    loaded = load_model(tmp_path / "checkpoint.pt")
    assert fingerprint(loaded) == before
    assert fingerprint(loaded.to(memory_format=torch.channels_last)) == before
    loaded.config["weights"] = "whatever it was"
    assert fingerprint(loaded) == before
    with torch.no_grad():
        loaded.neck.running_mean[0] += 1e-6
    assert fingerprint(loaded) != before
    loaded = load_model(tmp_path / "checkpoint.pt")
    loaded.config["size"] = (96, 32)
    assert fingerprint(loaded) != before


def test_unreadable_images_are_named_and_the_others_kept(model, folder, tmp_path, embedded):
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "cut.png").write_bytes((folder / "one.png").read_bytes()[:100])
    (folder / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(ValueError, match="3 of the 7 images in") as error:
        build_index(model, folder, tmp_path / "index.pt")
    assert all(
        name in str(error.value) for name in ("broken.png", "cut.png", "nowhere.jpg", "--skip-unreadable")
    )
    embedded.clear()
    index = build_index(model, folder, tmp_path / "index.pt", skip_unreadable=True)
    assert not embedded, "the error must not have cost the work on the others"
    assert index.unreadable == ("broken.png", "cut.png", "nowhere.jpg") and index.paths == tuple(
        sorted(NAMES)
    )
    assert load_index(tmp_path / "index.pt").unreadable == index.unreadable
    torch.testing.assert_close(index.features, build_index(model, folder, skip_unreadable=True).features)
    noise(folder / "broken.png")
    (folder / "cut.png").unlink()
    (folder / "nowhere.jpg").unlink()
    assert "broken.png" in build_index(model, folder, tmp_path / "index.pt").paths


def test_many_images_are_embedded_in_chunks(model, folder, monkeypatch):
    whole = build_index(model, folder)
    monkeypatch.setattr(search, "CHUNK", 3)
    (folder / "one.jpg").write_bytes(b"")
    parts = build_index(model, folder, skip_unreadable=True)
    assert parts.paths == whole.paths
    torch.testing.assert_close(parts.features, whole.features)


def test_new_images_that_look_like_scenes_are_said(model, folder, tmp_path, caplog):
    build_index(model, folder, tmp_path / "index.pt")
    assert not caplog.messages
    for number in range(2):
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(folder / f"frame {number}.jpg")
    build_index(model, folder, tmp_path / "index.pt")  # two of six, but all of the new ones
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("rga.search", "WARNING")
    assert record.getMessage().startswith(f"images in {folder} look like whole scenes: 2 of 2")
    caplog.clear()
    build_index(model, folder, tmp_path / "index.pt")
    assert not caplog.messages


def test_nothing_to_search_in(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder of images at .*nowhere"):
        build_index(model, tmp_path / "nowhere")
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="expected images in .*empty or in folders below"):
        build_index(model, tmp_path / "empty")
    (tmp_path / "empty" / "below" / "broken.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the 1 images .* can be read: .*broken\.png"):
        build_index(model, tmp_path / "empty", skip_unreadable=True)


def test_a_broken_network_is_no_index(folder, tmp_path):
    broken = create_model("resnet18", "none", num_pids=3, size=(64, 32))
    torch.nn.init.constant_(broken.neck.weight, float("nan"))
    with pytest.raises(ValueError, match="finite features, got NaN or Inf"):
        build_index(broken, folder, tmp_path / "index.pt")
    assert not (tmp_path / "index.pt").exists()


def test_other_files_are_no_index(model, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected an index in .*none\.pt"):
        load_index(tmp_path / "none.pt")
    build_index(model, folder, tmp_path / "index.pt")
    content = (tmp_path / "index.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: len(content) // 2])
    save(tmp_path / "checkpoint.pt", model)
    torch.save({"format": search.FORMAT, "index": {"paths": ()}}, tmp_path / "older.pt")
    for name in ("cut.pt", "checkpoint.pt", "older.pt", "gallery/one.png"):
        before = (tmp_path / name).stat()
        with pytest.raises(ValueError, match="expected an index written by rga"):
            build_index(model, folder, tmp_path / name)
        assert (tmp_path / name).stat().st_mtime_ns == before.st_mtime_ns


def test_a_crash_while_saving_keeps_the_last_index(model, folder, tmp_path, monkeypatch):
    build_index(model, folder, tmp_path / "index.pt")
    noise(folder / "five.png")

    def crash(content, file):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(OSError, match="No space"):
        build_index(model, folder, tmp_path / "index.pt")
    assert len(load_index(tmp_path / "index.pt", model).paths) == 4
    assert sorted(os.listdir(tmp_path)) == ["gallery", "index.pt"]


def brute_force(queries, index, k):
    distances, order = pairwise_distance(queries, index.features).sort(dim=1, stable=True)
    return distances[:, :k], order[:, :k]


@pytest.mark.parametrize("k", [1, 7, 50, 80])
def test_search_is_exact_in_chunks(k, monkeypatch):
    torch.manual_seed(0)
    index, queries = index_of(torch.randn(50, 8)), 5 * torch.randn(9, 8)
    monkeypatch.setattr(search, "QUERIES", 4)
    for rows in (3, 7, 50, 1000):
        monkeypatch.setattr(search, "ROWS", rows)
        distances, positions = index.search(queries, k)
        expected, order = brute_force(queries, index, k)
        torch.testing.assert_close(distances, expected)
        assert torch.equal(positions, order)


def test_an_image_finds_itself_at_no_distance(model, folder):
    index = build_index(model, folder)
    distances, positions = index.search(3 * index.features, 1)
    assert positions[:, 0].tolist() == [0, 1, 2, 3]
    assert (distances >= 0).all() and distances.max() < 1e-5


def test_faiss_finds_the_same():
    pytest.importorskip("faiss")
    torch.manual_seed(0)
    index, queries = index_of(torch.randn(3000, 16)), torch.randn(40, 16)
    for k in (1, 10, 3001):
        exact, fast = (index.search(queries, k, use_faiss=use) for use in (False, True))
        torch.testing.assert_close(fast.distances, exact.distances)
        assert (
            fast.positions == exact.positions
        ).float().mean() > 0.999  # the rest: equal to the last digits


def test_faiss_is_taken_for_large_galleries_where_it_is_installed(monkeypatch):
    used = []
    monkeypatch.setattr(search, "_knn_by_faiss", lambda *given: used.append(given) or search._knn(*given))
    monkeypatch.setattr(search.importlib.util, "find_spec", lambda name: "installed")
    index = index_of(torch.eye(4))
    index.search(torch.eye(4))
    assert not used
    monkeypatch.setattr(search, "LARGE", 4)
    index.search(torch.eye(4))
    assert len(used) == 1
    monkeypatch.setattr(search.importlib.util, "find_spec", lambda name: None)
    index.search(torch.eye(4))
    assert len(used) == 1


def test_impossible_searches():
    index = index_of(torch.eye(4))
    with pytest.raises(ValueError, match="at least k = 1 image, got k = 0"):
        index.search(torch.eye(4), 0)
    for wrong in (torch.ones(4), torch.ones(2, 5)):
        with pytest.raises(ValueError, match=r"expected query features \(Q, 4\)"):
            index.search(wrong)
    with pytest.raises(ValueError, match="finite features, got NaN or Inf for the queries"):
        index.search(torch.full((1, 4), float("nan")))
    assert index.search(torch.empty(0, 4), 2).positions.shape == (0, 2)


def test_images_of_other_formats_are_left_out_by_name(model, folder, tmp_path):
    (folder / "phone.heic").write_bytes(b"x")
    index = build_index(model, folder, tmp_path / "index.pt")
    assert index.unreadable == ("phone.heic",) and len(index.paths) == len(NAMES)
    assert load_index(tmp_path / "index.pt").unreadable == index.unreadable
    (tmp_path / "phones").mkdir()
    (tmp_path / "phones" / "a.heic").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"found only such as a\.heic\. .*pip install pillow-heif"):
        build_index(model, tmp_path / "phones")


def test_names_that_are_no_text_are_searched(model, folder, tmp_path):
    os.rename(folder / "one.png", os.path.join(os.fsencode(folder), b"zo\xe9.png"))
    index = build_index(model, folder, tmp_path / "index.pt")
    assert "zo\udce9.png" in load_index(tmp_path / "index.pt").paths == index.paths
