"""Archives: found, unpacked whole and once, or refused with one clear error and nothing left behind."""

import errno
import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rga.data import archive
from rga.data.archive import locate, unpack

MODES = {".tgz": "w:gz", ".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz", ".tar": "w"}
KINDS = [".zip", *MODES]
NOISE = b"".join(i.to_bytes(3, "big") for i in range(0, 1 << 24, 8191))
CONTENT = {
    "set/train/0001 c1.jpg": NOISE,
    "set/train/行人_é.jpg": NOISE[::-1],
    "set/train/empty.jpg": b"",
    "set/query/0002_c2.jpg": b"query",
    "readme.txt": b"ask the authors",
}


def pack(path, content=CONTENT):
    """An archive of {name: bytes}, of the kind that its suffix says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in content.items():
                file.writestr(name, data)
    else:
        with tarfile.open(
            path, MODES[next(suffix for suffix in MODES if path.name.endswith(suffix))]
        ) as file:
            for name, data in content.items():
                add(file, name, data)
    return path


def add(file, name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    file.addfile(info, io.BytesIO(data))


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def holds(folder):
    return (folder / "train").is_dir()


def refused(path, match):
    """Unpacking raises a ValueError of one paragraph that says `match`, and leaves the archive alone."""
    with pytest.raises(ValueError, match=match) as info:
        unpack(path, path.with_name("target"))
    assert str(path) in str(info.value) and "\n" not in str(info.value)
    assert os.listdir(path.parent) == [path.name]


# ---------------------------------------------------------------- found


@pytest.mark.parametrize("place", ["", "a", "a/b"])
def test_the_folder_is_found_at_most_two_levels_below(tmp_path, place):
    (tmp_path / place / "train").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert locate(tmp_path, holds) == tmp_path / place


@pytest.mark.parametrize("place", ["a/b/c", ".hidden", "a/.hidden"])
def test_nothing_is_found_deeper_or_in_hidden_folders(tmp_path, place):
    (tmp_path / place / "train").mkdir(parents=True)
    assert locate(tmp_path, holds) is None
    assert locate(tmp_path / "none", holds) is None


@pytest.mark.parametrize("suffix", [*KINDS, ".ZIP", ".Tar.GZ"])
def test_an_archive_as_root_is_unpacked_beside_itself_once(tmp_path, suffix, monkeypatch):
    path = pack(tmp_path / f"Set-v1.0{suffix.lower()}").rename(tmp_path / f"Set-v1.0{suffix}")
    assert locate(path, holds) == tmp_path / "Set-v1.0" / "set"
    assert tree(tmp_path / "Set-v1.0") == CONTENT
    assert sorted(os.listdir(tmp_path)) == sorted(["Set-v1.0", path.name])
    monkeypatch.setattr(archive, "atomic_folder", None)  # from here on, unpacking fails
    assert locate(path, holds) == locate(tmp_path, holds) == tmp_path / "Set-v1.0" / "set"


def test_of_a_folders_archives_only_those_asked_for_are_unpacked(tmp_path):
    pack(tmp_path / "MARKET-1501.zip", {"Market/train/1.jpg": b"1"})
    for other in ("other.zip", "market.txt", "._market-1501.zip", "market.zip.part"):
        (tmp_path / other).write_bytes(b"no archive")
    (tmp_path / "market.tar").mkdir()
    assert locate(tmp_path, holds, "cuhk*") is None
    assert locate(tmp_path, holds, "Market*") == tmp_path / "MARKET-1501" / "Market"
    assert locate(tmp_path / "market.txt", holds) is None


def test_a_set_in_two_archives_is_found_when_both_are_there(tmp_path):
    pack(tmp_path / "images.zip", {"1.jpg": b"1"})
    pack(tmp_path / "lists.tar", {"train.txt": b"1.jpg"})
    both = ("images/1.jpg", "lists/train.txt")
    assert locate(tmp_path, lambda folder: all((folder / name).is_file() for name in both)) == tmp_path


# ---------------------------------------------------------------- unpacked


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_what_macos_adds_is_left_out(tmp_path, suffix):
    junk = dict.fromkeys(["__MACOSX/set/._1.jpg", "set/.DS_Store", "set/._1.jpg"], b"junk")
    unpack(pack(tmp_path / f"a{suffix}", {"./set/1.jpg": b"1", **junk}), tmp_path / "a")
    assert tree(tmp_path / "a") == {"set/1.jpg": b"1"}


def test_folders_may_be_listed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name in (".", "./set"):
            add(file, name, type=tarfile.DIRTYPE)
        add(file, "./set/1.jpg", b"1")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.mkdir("set")
        file.writestr("set/1.jpg", b"1")
    for path in (tmp_path / "a.tar", tmp_path / "b.zip"):
        unpack(path, path.with_suffix(""))
        assert tree(path.with_suffix("")) == {"set/1.jpg": b"1"}


def test_a_backslash_separates_folders_in_a_zip(tmp_path):
    path = pack(tmp_path / "a.zip", {"set#": b"", "set#1.jpg": b"1"})
    path.write_bytes(path.read_bytes().replace(b"set#", b"set\\"))
    unpack(path, tmp_path / "a")
    assert tree(tmp_path / "a") == {"set/1.jpg": b"1"}


def test_files_can_be_read_by_others_as_any_new_file(tmp_path):
    unpack(pack(tmp_path / "a.zip"), tmp_path / "a")
    (tmp_path / "new").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a/readme.txt", "new")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("suffix", KINDS)
def test_progress_counts_the_archives_bytes(tmp_path, capsys, suffix):
    unpack(pack(tmp_path / f"a{suffix}", {"a": os.urandom(3 << 20)}), tmp_path / "a")
    out, err = capsys.readouterr()
    assert not out and re.search(rf"unpacking a{suffix}: .*3\.0\dM", err)


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/a", "C:\\a", "C:a", "\\\\host\\share\\a", "..\\a"]
)
def test_names_that_lead_outside(tmp_path, suffix, name):
    home = tmp_path / "deep" / "er"
    home.mkdir(parents=True)
    refused(pack(home / f"a{suffix}", {"fine.jpg": b"1", name: b"2"}), "leads out of the folder.*outside")
    assert tree(tmp_path).keys() == {f"deep/er/a{suffix}"}


def test_a_link_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("set/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("fine.jpg", b"1")
        file.writestr(link, "/etc")
    refused(tmp_path / "a.zip", "'set/link' is neither a file nor a folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_in_a_tar(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        add(file, "fine.jpg", b"1")
        add(file, "set/link", type=kind, linkname="fine.jpg")
    refused(tmp_path / "a.tar", "'set/link' is neither a file nor a folder")


def patched(path, signature, offset, value):
    """Overwrite a byte in each local header (PK34) or directory entry (PK12) of a zip."""
    data = bytearray(path.read_bytes())
    at = data.find(signature)
    while at >= 0:
        data[at + offset] = value
        at = data.find(signature, at + 4)
    path.write_bytes(data)


def test_an_encrypted_zip(tmp_path):
    path = pack(tmp_path / "a.zip")
    patched(path, b"PK\1\2", 8, 1)
    refused(path, "password that the set's authors give.*unpack it by hand into")


def test_a_compression_that_zipfile_does_not_know(tmp_path):
    path = pack(tmp_path / "a.zip")
    patched(path, b"PK\1\2", 10, 9)  # Deflate64, which Windows takes for large files
    patched(path, b"PK\3\4", 8, 9)
    refused(path, "compression.*unpack it by hand into")


# ---------------------------------------------------------------- damaged and cut off


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize(
    "data", [b"", b"\0" * 2000, b"<html>log in</html>", b"\n <!DOCTYPE html>", NOISE[:999]]
)
def test_no_archive_at_all(tmp_path, suffix, data):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    what = "is a web page, not an archive" if b"<" in data[:3] else "is damaged or cut off"
    refused(path, rf"{what} \(.*download it again. It has {len(data):,} bytes")


@pytest.mark.parametrize("suffix", KINDS)
def test_cut_off_anywhere(tmp_path, suffix):
    path = pack(tmp_path / f"a{suffix}", {**CONTENT, "last.jpg": b"last" * 10})
    data = path.read_bytes()
    if suffix == ".tar":  # behind the block that marks the end lies only padding
        data = data.rstrip(b"\0")
        data += bytes(-len(data) % tarfile.BLOCKSIZE + tarfile.BLOCKSIZE)
    for size in {*range(0, len(data), len(data) // 16), *range(len(data) - 10, len(data))}:
        path.write_bytes(data[:size])
        refused(path, f"damaged or cut off.*download it again. It has {size:,} bytes")


def test_a_tar_cut_between_two_members_or_with_a_broken_header(tmp_path):
    """tarfile itself takes both for the end of the archive."""
    path = pack(tmp_path / "a.tar", {"1.jpg": b"1", "2.jpg": b"2"})
    data = path.read_bytes()
    for broken in (data[:1024], data[:2048], data[:1024] + b"\xff" + data[1025:]):
        path.write_bytes(broken)
        refused(path, "cut off")


@pytest.mark.parametrize("suffix", sorted({*KINDS} - {".tar"}))  # a tar has no checksums but the headers'
def test_a_wrong_byte(tmp_path, suffix):
    path = pack(tmp_path / f"a{suffix}", {"1.jpg": NOISE})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    refused(path, "damaged")


def test_a_file_and_a_folder_of_one_name(tmp_path):
    refused(pack(tmp_path / "a.zip", {"set": b"", "set/1.jpg": b"1"}), "damaged.*download it again")


# ---------------------------------------------------------------- the disk, and others


def test_a_zip_is_not_begun_without_room_for_it(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip")
    need = sum(map(len, CONTENT.values()))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need - 1))
    refused(path, f"{need:,} bytes of room are needed.*{need - 1:,} bytes are free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need))
    unpack(path, tmp_path / "a")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_disk_that_is_full_in_the_middle(tmp_path, suffix):
    """A limit on the size of files stands for it."""
    resource = pytest.importorskip("resource")
    path = pack(tmp_path / f"a{suffix}", {"small.jpg": os.urandom(4000), "large.jpg": os.urandom(8000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        refused(path, "File too large.*bytes are free there. Make room.*load again")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_folder_without_permission_to_write(tmp_path, monkeypatch):
    def denied(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = pack(tmp_path / "a.zip")
    monkeypatch.setattr(Path, "mkdir", denied)  # a folder's mode does not hold root back
    refused(path, f"Permission denied.*make {tmp_path} writable.*elsewhere and pass that folder as root")


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(ValueError, match="a file is in the way"):
        locate(pack(tmp_path / "a.zip"), holds)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_several_at_once(tmp_path, suffix):
    content = {f"set/{i % 7}/{i}.jpg": os.urandom(2000) for i in range(60)}
    path = pack(tmp_path / f"a{suffix}", content)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(unpack, path, tmp_path / "a") for _ in range(4)]:
            done.result()
    assert tree(tmp_path / "a") == content
    assert sorted(os.listdir(tmp_path)) == ["a", path.name]
