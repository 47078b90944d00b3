"""Every format that is read, broken in every way: a clear error, no crash, no hang, bounded memory, nothing lost."""

import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import types
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import torch
from helpers import hostile
from helpers import tiny_cuhk03 as tiny
from PIL import Image
from scipy.io import savemat

from rga.commands import calibrate
from rga.course.grade import _code_cells
from rga.data import Sample, archive, cuhk03, folder, msmt17
from rga.data.cache import resized_images
from rga.data.cuhk03.matlab import read_columns
from rga.data.cuhk03.protocols import read_classic_protocol, read_new_protocol
from rga.data.cuhk03.release import crops_in
from rga.data.images import FORMATS, LARGEST, read_image
from rga.io.json_files import read_json
from rga.models import create_model
from rga.models.weights_files import read_weights
from rga.runs.run import _earlier_scores
from rga.search import Index, load_index
from rga.training import checkpoint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
STATE = {"layer.weight": torch.arange(64.0), "layer.count": torch.tensor(3)}
CONFIG = {"backbone": "resnet18", "attention": "rga_s", "num_pids": 4, "size": [64, 32], "weights": "random"}


@pytest.fixture(scope="module")
def reader():
    with hostile.limited() as pool:
        yield pool


def write_image(path):
    Image.fromarray(PIXELS).save(path)


def write_archive(path):
    Image.fromarray(PIXELS).save(picture := io.BytesIO(), "PNG")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("set/0001_1_1.png", picture.getvalue())
        return
    with tarfile.open(path, "w:" + path.name.partition(".tar")[2].lstrip(".")) as file:
        (member := tarfile.TarInfo("set/0001_1_1.png")).size = len(picture.getvalue())
        file.addfile(member, io.BytesIO(picture.getvalue()))


def read_archive(path):
    target = path.with_name("unpacked")
    try:
        archive.unpack(path, target)
    finally:
        assert [p.name for p in path.parent.iterdir() if p != path] in ([], ["unpacked"])
        shutil.rmtree(target, ignore_errors=True)


def write_protocol(path):
    savemat(path, tiny.protocol(), do_compression=path.stem == "packed")


def read_release(path):
    return list(crops_in(path, "labeled"))


def read_split(path):
    return read_classic_protocol(path, "labeled", 0)


def write_table(path):
    rows = [f"{i}.png;{i // 2};{i % 2};{'query' if i % 2 else 'gallery'}" for i in range(40)]
    path.write_text("path;pid;camid;split\n" + "\n".join(rows), encoding="utf-8")


def read_table(path):
    for i in range(40):
        path.with_name(f"{i}.png").touch()
    return folder.read_table(path.parent, path)


def write_list(path):
    path.write_text("".join(f"0000/0000_{i:03}_01_0303morning_0008_0.jpg {i}\n" for i in range(60)))


def fake_model():
    return types.SimpleNamespace(config=CONFIG, state_dict=lambda: STATE)


def write_checkpoint(path):
    checkpoint.save(path, fake_model(), logs=[(1, 2.5)], settings={"p": 2})


def read_checkpoint(path):
    """With the error for a network that is not that of the file, which every file ends in."""
    try:
        checkpoint.restore(path, fake_model(), check=lambda training: stop())
    except StopIteration:
        pass
    return checkpoint.load_training(path)


def stop():
    raise StopIteration


def write_weights(path):
    torch.save({"state_dict": STATE, "epoch": np.int64(3)}, path)


def write_old_weights(path):
    torch.save(STATE, path, _use_new_zipfile_serialization=False)


def write_index(path):
    stamps = torch.zeros(3, 2, dtype=torch.int64)
    Index("f" * 64, False, ("a.png", "b.png", "c/d.png"), stamps, torch.eye(3)).save(path)


def write_scores(path):
    path.write_text(json.dumps({str(epoch): {"mAP": 0.5, "rank1": 0.6} for epoch in range(1, 9)}))


def read_scores(path):
    """As a run that is resumed reads them."""
    (path.parent / "checkpoint.pt").exists() or write_checkpoint(path.parent / "checkpoint.pt")
    recipe = types.SimpleNamespace(resume=True, out=path.parent, checkpoint=path.parent / "checkpoint.pt")
    return _earlier_scores(recipe)


def write_settings(path):
    path.write_text(json.dumps({"settings": {"p": 2, "k": 3}, "data": {"missing": 0}}))


def read_settings(path):
    return read_json(path, "the settings of a run")


def write_calibration(path):
    path.write_text(json.dumps({"format": calibrate.FORMAT, "network": "0" * 64, "threshold": 0.5}))


def read_no_calibration(path):
    """Of another network: an error for the whole file, too, which is said with its name."""
    model = types.SimpleNamespace(config={}, state_dict=dict)
    try:
        calibrate.read_calibration(path, model)
    except ValueError as error:
        if "another network" not in str(error):
            raise


def write_notebook(path):
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y"]}, {"cell_type": "markdown", "source": "text"}]
    path.write_text(json.dumps({"cells": cells}))


FILES = {
    **{
        f"image.{suffix}": (write_image, read_image)
        for suffix in ("jpg", "png", "bmp", "gif", "tiff", "webp")
    },
    **{f"image.{suffix}": (write_image, read_image) for suffix in ("jp2", "ppm", "tga", "ico", "avif")},
    **{
        f"set.{suffix}": (write_archive, read_archive)
        for suffix in ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")
    },
    "cuhk-03.mat": (tiny.write_release, read_release),
    "classic cuhk-03.mat": (tiny.write_release, read_split),
    "packed.mat": (write_protocol, read_new_protocol),
    "protocol.mat": (write_protocol, read_new_protocol),
    "table.csv": (write_table, read_table),
    "list.txt": (write_list, msmt17.read_list),
    "run.pt": (write_checkpoint, read_checkpoint),
    "net.pth": (write_weights, read_weights),
    "old.pth": (write_old_weights, read_weights),
    "people.index": (write_index, load_index),
    "scores.json": (write_scores, read_scores),
    "settings.json": (write_settings, read_settings),
    "same.json": (write_calibration, read_no_calibration),
    "01_dataset.ipynb": (write_notebook, _code_cells),
}


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_an_error_that_names_it(name, reader, tmp_path):
    """Notebooks are named by the table of grades, in the row of the error."""
    write, read = FILES[name]
    write(tmp_path / name)
    job = reader.submit(hostile.read_broken, read, tmp_path / name, named=not name.endswith(".ipynb"))
    assert job.result(timeout=60 + hostile.FLIPS) == []


def refused(reader, read, path):
    """The message of the ValueError with which a process of limited memory refuses a file."""
    with pytest.raises(ValueError) as raised:
        reader.submit(read, path).result(timeout=60)
    return str(raised.value)


# ---------------------------------------------------------------- images


def png(width, height, data=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(part, zlib.crc32(kind)))
        for kind, part in chunks
    )


@pytest.mark.parametrize("size", [(12_000, 12_000), (60_000, 60_000), (1, 2**31 - 1), (0, 0), (0, 20)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_of_too_many_pixels_or_none(reader, tmp_path, size):
    assert not 0 < size[0] * size[1] <= LARGEST
    (tmp_path / "a.png").write_bytes(png(*size))
    assert "a.png cannot be read as an image" in refused(reader, read_image, tmp_path / "a.png")


def test_no_other_program_is_started_for_an_image(tmp_path, monkeypatch):
    """Pillow gives EPS to Ghostscript, whatever the file is called."""
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.png").write_bytes(text)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "EPS"
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image"):
        read_image(tmp_path / "a.png")
    assert {"JPEG", "PNG", "WEBP"} < set(FORMATS) and not {"EPS", "WMF"} & set(FORMATS)


# ---------------------------------------------------------------- archives


def test_a_zip_bomb_that_says_so_is_not_begun(tmp_path):
    """42 bytes of a directory entry claim 4 GB; many of them claim more than there is."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(4):
            file.writestr(f"{number}.png", b"0" * 100)
    content = path.read_bytes().replace(struct.pack("<II", 100, 100), struct.pack("<II", 100, 0xFFFFFFF0))
    path.write_bytes(content)
    usage = shutil.disk_usage(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=16 * 10**9))
        with pytest.raises(ValueError, match=r"17,179,869,120 bytes of room are needed"):
            archive.unpack(path, tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["set.zip"]


def test_a_zip_gives_no_more_than_it_announces(tmp_path):
    """So the room that is asked for before is the room that it takes."""
    path, packed = tmp_path / "set.zip", zlib.compressobj(wbits=-15)
    data = packed.compress(bytes(10**7)) + packed.flush()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(10**7))
    sizes = struct.pack("<II", len(data), 10**7)
    content = path.read_bytes()
    assert content.count(sizes) == 2
    path.write_bytes(content.replace(sizes, struct.pack("<II", len(data), 1000)))
    with pytest.raises(ValueError, match="damaged"):
        archive.unpack(path, tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["set.zip"]


# ---------------------------------------------------------------- HDF5 and MAT-files


def change_pair(path, change):
    """A new first camera pair in the release at `path`, made by `change(file)`."""
    with h5py.File(path, "r+") as file:
        pairs = file["labeled"][()]
        pairs[0, 0] = change(file).ref
        file["labeled"][...] = pairs


def change_crop(path, change):
    """A new first crop."""
    with h5py.File(path, "r+") as file:
        places = file[file["labeled"][0, 0]]
        references = places[()]
        references[0, 0] = change(file).ref
        places[...] = references


def huge_crop(path):
    change_crop(path, lambda file: file.create_dataset("x", (3, 10**5, 10**5), "u1", chunks=(1, 100, 100)))


def huge_table(path):
    change_pair(path, lambda file: file.create_dataset("x", (10, 10**9), h5py.ref_dtype, chunks=(10, 10)))


def kept_elsewhere(path):
    path.with_name("secret").write_bytes(bytes(300))
    outside = [(str(path.with_name("secret")), 0, 300)]
    change_crop(path, lambda file: file.create_dataset("x", (3, 10, 10), "u1", external=outside))


def virtual(path):
    with h5py.File(path.with_name("other.h5"), "w") as file:
        file["data"] = np.zeros((3, 10, 10), np.uint8)
    layout = h5py.VirtualLayout((3, 10, 10), "u1")
    layout[...] = h5py.VirtualSource(path.with_name("other.h5"), "data", (3, 10, 10))
    change_crop(path, lambda file: file.create_virtual_dataset("x", layout))


def linked(path):
    shutil.copyfile(path, path.with_name("other.mat"))
    with h5py.File(path, "r+") as file:
        del file["labeled"]
        file["labeled"] = h5py.ExternalLink("other.mat", "/labeled")


def in_a_circle(path):
    with h5py.File(path, "r+") as file:
        del file["labeled"]
        file["labeled"] = h5py.SoftLink("/labeled")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (huge_crop, "30,000,000,000 bytes, more than"),
        (huge_table, "80,000,000,000 bytes, more than"),
        (kept_elsewhere, "kept in another file, which is not opened"),
        (virtual, "kept in another file, which is not opened"),
        (linked, "a link to another file, which is not opened"),
        (in_a_circle, "cannot be read as the release"),
    ],
)
def test_a_release_that_claims_any_shape_or_leads_elsewhere(reader, tmp_path, damage, reason):
    path = tiny.write_release(tmp_path / "cuhk-03.mat")
    damage(path)
    assert reason in refused(reader, read_release, path)
    tiny.write_protocol(tmp_path)
    with pytest.raises(ValueError):
        cuhk03.load(tmp_path)
    assert not (tmp_path / "images_labeled").exists()


def mat(path, *elements):
    """A MAT-file of elements (type, content)."""
    body = b"".join(
        struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8) for kind, data in elements
    )
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + body)
    return path


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind, shape, *values):
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return 14, head + element(1, b"labels") + b"".join(values)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ([(15, zlib.compress(bytes(2**27)))], "more than 67,108,864 bytes"),
        ([array(9, (2**30, 2**30), element(2, b"123"))], "3 values, and 1152921504606846976 are announced"),
        ([array(6, (1, 2), element(9, struct.pack("<2d", 1, float("nan"))))], "not whole"),
        ([array(6, (1, 1), element(77, bytes(8)))], "KeyError|77"),
        ([array(1, (1, 1), b"".join([element(*array(1, (0, 0)))]))], "lacks filelist, labels"),
        ([array(17, (1, 1), element(2, b"run"))], "lacks filelist, labels"),
    ],
    ids=["a bomb", "a huge shape", "NaN", "an unknown type", "a cell of cells", "an object"],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_a_protocol_file_that_claims_any_size_or_holds_objects(reader, tmp_path, elements, reason):
    path = mat(tmp_path / "protocol.mat", *elements)
    message = refused(reader, read_new_protocol, path)
    assert any(part in message for part in reason.split("|")) and "copy it again" in message


@pytest.mark.parametrize("packed", [True, False])
def test_columns_are_those_that_scipy_reads(tmp_path, packed):
    """scipy.io.loadmat is not used: one wrong byte can end the process."""
    values = {"numbers": np.arange(6.0).reshape(2, 3), "names": np.array([["é"], ["1_1.png"]], object)}
    others = {
        "one": np.int8(-3),
        "text": "hello",
        "object": np.array([[np.zeros(2)]], object),
        "fields": {"a": 1},
    }
    savemat(tmp_path / "a.mat", values | others, do_compression=packed)
    expected = {"numbers": [0, 3, 1, 4, 2, 5], "names": ["é", "1_1.png"], "one": [-3], "text": "hello"}
    assert read_columns(tmp_path / "a.mat") == expected


# ---------------------------------------------------------------- weights and the rest


def test_a_flipped_bit_in_weights_is_noticed(tmp_path):
    """torch.load alone reads it: it does not look at the checksums that torch.save writes."""
    writers = {"run.pt": (write_checkpoint, read_checkpoint), "people.index": (write_index, load_index)}
    for name, (write, read) in writers.items():
        write(tmp_path / name)
        content = bytearray((tmp_path / name).read_bytes())
        numbers = STATE["layer.weight"] if name == "run.pt" else torch.eye(3)
        content[content.index(numbers.numpy().tobytes()) + 30] ^= 1
        (tmp_path / name).write_bytes(content)
        torch.load(tmp_path / name, weights_only=True)
        with pytest.raises(ValueError, match="damaged or of another kind"):
            read(tmp_path / name)


def test_a_flipped_bit_in_torchs_cache_of_imagenet_weights_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    file = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir()
    torch.save(STATE, file)
    content = bytearray(file.read_bytes())
    content[content.index(STATE["layer.weight"].numpy().tobytes())] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"resnet18-f37072fd\.pth, could not read .*Delete that file"):
        create_model("resnet18", "none", num_pids=2, weights="imagenet")


def test_weights_without_checksums_are_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        write_weights(tmp_path / "net.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert read_weights(tmp_path / "net.pth").content["epoch"] == 3


@pytest.mark.parametrize(
    "change",
    [{"num_pids": 10**12}, {"num_pids": -1}, {"size": [2**30, 2**30]}, {"size": 3}, {"stages": "x"}],
    ids=str,
)
def test_a_checkpoint_whose_settings_ask_for_any_memory(reader, tmp_path, change):
    model = create_model("resnet18", "rga_s", num_pids=4, size=(64, 32))
    changed = types.SimpleNamespace(config=model.config | change, state_dict=lambda: STATE)
    checkpoint.save(tmp_path / "run.pt", changed)
    assert "changed by hand" in refused(reader, checkpoint.load_model, tmp_path / "run.pt")


@pytest.mark.parametrize(
    "content", [[], {"format": 1}, {"format": 1, "config": 3, "model": {}, "training": {}}], ids=str
)
def test_a_checkpoint_that_lacks_its_parts(tmp_path, content):
    torch.save(content, tmp_path / "run.pt")
    for read in (checkpoint.load_model, checkpoint.load_training):
        with pytest.raises(ValueError, match="expected a checkpoint written by rga"):
            read(tmp_path / "run.pt")


@pytest.mark.parametrize(
    "change",
    [{"paths": ("a.png", "b.png", "../../etc/passwd")}, {"paths": ("a.png", "b.png", "/etc/passwd")}]
    + [{"paths": (1, 2, 3)}, {"features": torch.eye(2)}, {"stamps": torch.zeros(3)}, {"features": 3}],
    ids=["out of the folder", "absolute", "numbers", "too few", "another type", "no tensor"],
)
def test_an_index_that_contradicts_itself_or_leads_out_of_the_folder(tmp_path, change):
    write_index(tmp_path / "people.index")
    whole = torch.load(tmp_path / "people.index", weights_only=True)
    torch.save({"format": 1, "index": whole["index"] | change}, tmp_path / "people.index")
    with pytest.raises(ValueError, match="expected an index written by rga"):
        load_index(tmp_path / "people.index")


def test_a_broken_header_of_the_cache_is_written_anew(tmp_path):
    """Pixels have no checksum: a byte that flips among them is not noticed."""
    write_image(tmp_path / "a.png")
    paths, size = [tmp_path / "a.png"], (32, 16)
    images = resized_images(paths, [size], tmp_path / "cache")
    expected, (file,) = images[size][0].clone(), (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    zipfile.ZipFile(zipped := io.BytesIO(), "w").close()
    claims = [whole.replace(b"(1, 32, 16, 3)", shape) for shape in (b"(9**99, 1, 1)", b"(-1, 32, 16,3)")]
    contents = [content for what, content in hostile.broken(whole[:128], 60)]
    for content in [zipped.getvalue(), *claims, *(c + whole[128:] if len(c) == 128 else c for c in contents)]:
        file.write_bytes(content)
        assert torch.equal(resized_images(paths, [size], tmp_path / "cache")[size][0], expected)


def test_links_in_a_folder_of_images_lead_where_their_owner_wants(tmp_path):
    """An archive has no links; those in a folder were made by whoever may write there. Only images are read."""
    (tmp_path / "set").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "set" / "0001_1_1.png").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="cannot be read as an image") as raised:
        read_image(Sample(tmp_path / "set" / "0001_1_1.png", 1, 1).path)
    assert "secret" not in str(raised.value).replace(str(tmp_path), "")
