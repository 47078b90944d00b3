"""Archives: found and unpacked whole and once, or one clear error for each fault and nothing left behind."""

import errno
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rga.data import archive
from rga.data.archive import locate, unpack

KINDS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]
MODES = {".tgz": "w:gz", ".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz", ".tar": "w"}
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
        kind = next(suffix for suffix in MODES if path.name.lower().endswith(suffix))
        with tarfile.open(path, MODES[kind]) as file:
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
    monkeypatch.setattr(archive, "_write", None)  # from here on, unpacking fails
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


def test_a_set_deep_in_its_archive_is_found_again(tmp_path):
    path = pack(tmp_path / "set.zip", {"a/b/train/1.jpg": b"1"})
    for root in (path, tmp_path, tmp_path, path):
        assert locate(root, holds) == tmp_path / "set" / "a" / "b"


# ---------------------------------------------------------------- what is unpacked


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_macos_leftovers_folders_and_dots_are_no_files(tmp_path, suffix):
    junk = dict.fromkeys(["__MACOSX/set/._1.jpg", "set/.DS_Store", "set/._1.jpg"], b"junk")
    path = pack(tmp_path / f"a{suffix}", {"./set/1.jpg": b"1", **junk})
    unpack(path, tmp_path / "a")
    assert tree(tmp_path / "a") == {"set/1.jpg": b"1"}


def test_folder_entries_are_no_fault(tmp_path):
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


def test_old_zips_names_and_windows_separators(tmp_path):
    """Before UTF-8, zips named files in code page 437; some programs separate folders by a backslash."""
    path = pack(tmp_path / "a.zip", {"set_caf#.jpg": b"1"})
    path.write_bytes(path.read_bytes().replace(b"set_caf#", b"set\\caf\x82"))
    unpack(path, tmp_path / "a")
    assert tree(tmp_path / "a") == {"set/café.jpg": b"1"}


def test_folder_entries_of_windows_are_no_files(tmp_path):
    path = pack(tmp_path / "a.zip", {"set#": b"", "set#1.jpg": b"1"})
    path.write_bytes(path.read_bytes().replace(b"set#", b"set\\"))
    unpack(path, tmp_path / "a")
    assert tree(tmp_path / "a") == {"set/1.jpg": b"1"}


def test_a_file_where_a_folder_must_be_is_no_fault_of_the_disk(tmp_path):
    """What cannot be mended by loading again is not kept."""
    refused(pack(tmp_path / "a.zip", {"set": b"", "set/1.jpg": b"1"}), "damaged.*download it again")


def test_files_can_be_read_by_others_as_any_new_file(tmp_path):
    unpack(pack(tmp_path / "a.zip"), tmp_path / "a")
    (tmp_path / "new").touch()
    assert stat.S_IMODE((tmp_path / "a/readme.txt").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "new").stat().st_mode
    )


def test_progress_counts_the_archives_bytes(tmp_path, capsys):
    path = pack(tmp_path / "a.tar.gz", {"a": os.urandom(3 << 20)})
    unpack(path, tmp_path / "a")
    out, err = capsys.readouterr()
    assert not out and "unpacking a.tar.gz: 100%" in err and "3.00M/3.00M" in err.replace("3.15M", "3.00M")


# ---------------------------------------------------------------- what is refused

OUTSIDE = [
    "../a",
    "a/../../b",
    "/etc/a",
    "C:\\a",
    "C:a",
    "\\\\host\\share\\a",
    "..\\a",
    "a\\..\\..\\b",
    "\\a",
]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_outside(tmp_path, suffix, name):
    home = tmp_path / "deep" / "er"
    home.mkdir(parents=True)
    refused(pack(home / f"a{suffix}", {"fine.jpg": b"1", name: b"2"}), "leads out of the folder.*outside")
    assert tree(tmp_path).keys() == {f"deep/er/a{suffix}"}


def test_links_and_devices(tmp_path):
    link = zipfile.ZipInfo("set/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("fine.jpg", b"1")
        file.writestr(link, "/etc")
    refused(tmp_path / "a.zip", "'set/link' is neither a file nor a folder")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        with tarfile.open(tmp_path / "a.zip", "w") as file:
            add(file, "fine.jpg", b"1")
            add(file, "set/link", type=kind, linkname="fine.jpg")
        (tmp_path / "a.zip").rename(tmp_path / "a.tar")
        refused(tmp_path / "a.tar", "'set/link' is neither a file nor a folder")
        (tmp_path / "a.tar").rename(tmp_path / "a.zip")


def patched(path, signature, offset, value):
    """Overwrite a byte in each local header (PK34) or directory entry (PK12) of a zip."""
    data = bytearray(path.read_bytes())
    at = data.find(signature)
    while at >= 0:
        data[at + offset] = value
        at = data.find(signature, at + 4)
    path.write_bytes(data)


def test_encrypted_zip(tmp_path):
    path = pack(tmp_path / "a.zip")
    patched(path, b"PK\1\2", 8, 1)
    refused(path, "password that the set's authors give.*unpack it by hand into")


def test_compression_that_zipfile_does_not_know(tmp_path):
    path = pack(tmp_path / "a.zip")
    patched(path, b"PK\1\2", 10, 9)  # Deflate64, which Windows takes for large files
    patched(path, b"PK\3\4", 8, 9)
    refused(path, "compression.*unpack it by hand into")


# ---------------------------------------------------------------- damaged and cut off


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize(
    "data", [b"", b"\0" * 2000, b"<html>log in</html>" * 100, b"\n <!DOCTYPE html>", NOISE[:999]]
)
def test_no_archive_at_all(tmp_path, suffix, data):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    what = "is a web page, not an archive" if b"<" in data[:3] else "is damaged or cut off"
    refused(path, rf"{what} \(.*download it again. It has {len(data):,} bytes")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_cut_off_anywhere(tmp_path, suffix):
    content = {**CONTENT, "last.jpg": b"last" * 10}
    whole = pack(tmp_path / f"whole{suffix}", content)
    data = whole.read_bytes()
    whole.unlink()
    path = tmp_path / f"a{suffix}"
    end = -(-len(data.rstrip(b"\0")) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    for size in {*range(0, len(data), len(data) // 16), *range(len(data) - 10, len(data))}:
        path.write_bytes(data[:size])
        if suffix == ".tar" and size >= end + tarfile.BLOCKSIZE:
            unpack(path, tmp_path / "target")  # the end is marked, and only padding behind it is lost
            assert tree(tmp_path / "target") == content
            shutil.rmtree(tmp_path / "target")
        else:
            refused(path, f"damaged or cut off.*download it again. It has {size:,} bytes")


def test_a_tar_cut_between_two_members_or_with_a_broken_header(tmp_path):
    """tarfile itself takes both for the end of the archive."""
    data = bytearray(pack(tmp_path / "a.tar", {"1.jpg": b"1", "2.jpg": b"2"}).read_bytes())
    path = tmp_path / "a.tar"
    for size in (1024, 2048):
        path.write_bytes(data[:size])
        refused(path, "cut off")
    data[1024] = 255
    path.write_bytes(data)
    refused(path, "cut off")


def test_a_cut_zip_with_a_whole_zip_in_it(tmp_path):
    """The inner list of files must not pass for the outer one."""
    inner = pack(tmp_path / "inner.zip").read_bytes()
    os.remove(tmp_path / "inner.zip")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("inner.zip", inner)
        file.writestr("more", b"more")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(inner) + len(inner)])
    refused(path, "cut off")


@pytest.mark.parametrize("suffix", KINDS)
def test_a_wrong_byte_in_a_checked_archive(tmp_path, suffix):
    path = pack(tmp_path / f"a{suffix}", {"1.jpg": NOISE})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    if suffix == ".tar":  # has no checksums but the headers'
        unpack(path, tmp_path / "a")
    else:
        refused(path, "damaged")


# ---------------------------------------------------------------- interrupted, full, not writable, at once

SLOWLY = "write = archive._write; archive._write = lambda *a: (write(*a), time.sleep(0.02))"
SMALL_FILES_ONLY = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))"


def child(before, path, target):
    """A process that unpacks; it imports the file alone, as all of rga takes seconds."""
    code = "import sys, time; from pathlib import Path; sys.path.append(sys.argv[1]); import archive\n"
    code += f"{before}\narchive.unpack(*map(Path, sys.argv[2:]))"
    command = [sys.executable, "-c", code, Path(archive.__file__).parent, path, target]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_killed_in_the_middle_and_started_again(tmp_path, suffix):
    content = {f"set/train/{i}.jpg": os.urandom(5000) for i in range(40)}
    path, target = pack(tmp_path / f"a{suffix}", content), tmp_path / "a"
    with child(SLOWLY, path, target) as process:
        while len(list(tmp_path.glob(".a.part/*/set/train/*"))) < 5:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL and not target.exists()
    assert locate(tmp_path, holds, "none") is None  # the partial folder is not looked into
    (done,) = tmp_path.glob(".a.part/*/set/train/0.jpg")
    os.utime(done, (1, 1))
    unpack(path, target)
    assert tree(target) == content
    assert (target / "set/train/0.jpg").stat().st_mtime == 1  # not written again
    assert sorted(os.listdir(tmp_path)) == ["a", path.name]


def test_what_another_download_left_is_not_mixed_in(tmp_path, monkeypatch):
    path, target = pack(tmp_path / "a.zip", {"1": b"old", "2": b"old"}), tmp_path / "a"
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="goes on where it stopped"):
        full_after(patch, 1)
        unpack(path, target)
    os.utime(pack(path, {"1": b"new", "2": b"new"}), (1, 1))
    unpack(path, target)
    assert tree(target) == {"1": b"new", "2": b"new"}


def full_after(patch, files):
    """The disk is full when so many files are written."""
    write = archive._write

    def limited(member, folder, *rest):
        if sum(path.is_file() for path in folder.rglob("*")) == files:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(member, folder, *rest)

    patch.setattr(archive, "_write", limited)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_disk_full_in_the_middle(tmp_path, suffix, monkeypatch):
    path, target = pack(tmp_path / f"a{suffix}"), tmp_path / "a"
    with monkeypatch.context() as patch:
        full_after(patch, 2)
        with pytest.raises(ValueError, match="No space left.*bytes are free there.*goes on where it stopped"):
            unpack(path, target)
    assert not target.exists() and len(tree(tmp_path / ".a.part")) == 2
    unpack(path, target)
    assert tree(target) == CONTENT


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_file_that_the_system_stops_half_written(tmp_path, suffix):
    pytest.importorskip("resource")
    content = {"small.jpg": os.urandom(4000), "large.jpg": os.urandom(8000)}
    path, target = pack(tmp_path / f"a{suffix}", content), tmp_path / "a"
    process = child(SMALL_FILES_ONLY, path, target)
    assert "File too large" in process.communicate()[1] and process.returncode
    assert not target.exists()
    assert [(Path(name).name, data) for name, data in tree(tmp_path / ".a.part").items()] == [
        ("small.jpg", content["small.jpg"])
    ]
    unpack(path, target)
    assert tree(target) == content


def test_a_zip_is_not_begun_without_room_for_it(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip")
    need = sum(map(len, CONTENT.values()))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need - 1))
    with pytest.raises(ValueError, match=f"{need:,} bytes of room are needed.*{need - 1:,} bytes are free"):
        unpack(path, tmp_path / "a")
    assert not tree(tmp_path / ".a.part")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need))
    unpack(path, tmp_path / "a")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk is not permitted")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_disk_that_is_really_full(small_disk, tmp_path, suffix):
    content = {f"{i}.jpg": os.urandom(100_000) for i in range(15)}
    path, target = pack(tmp_path / f"a{suffix}", content), small_disk / "a"
    with pytest.raises(ValueError, match="room are needed|No space left on device"):
        unpack(path, target)
    assert not target.exists()
    kept = len(tree(small_disk / ".a.part"))
    assert kept == (0 if suffix == ".zip" else 10)
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    unpack(path, target)
    assert tree(target) == content
    assert os.listdir(small_disk) == ["a"]


def test_a_disk_that_is_really_read_only(small_disk):
    path = pack(small_disk / "a.zip")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    refused(
        path, "Read-only file system.*writable.*unpack the archive elsewhere and pass that folder as root"
    )


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
def test_two_processes_at_once(tmp_path, suffix):
    content = {f"set/{i}.jpg": os.urandom(5000) for i in range(40)}
    path, target = pack(tmp_path / f"a{suffix}", content), tmp_path / "a"
    process = child(SLOWLY, path, target)
    while not list(tmp_path.glob(".a.part/*/set/5.jpg")):
        assert process.poll() is None
        time.sleep(0.005)
    unpack(path, target)
    assert tree(target) == content
    errors = process.communicate()[1]
    assert not process.returncode, errors
    assert tree(target) == content
    assert sorted(os.listdir(tmp_path)) == ["a", path.name]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_several_at_once(tmp_path, suffix):
    content = {f"set/{i % 7}/{i}.jpg": os.urandom(2000) for i in range(60)}
    path = pack(tmp_path / f"a{suffix}", content)
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(unpack, path, tmp_path / "a") for _ in range(4)]:
                done.result()
        assert tree(tmp_path / "a") == content
        shutil.rmtree(tmp_path / "a")


def test_the_slower_of_two_finds_the_result(tmp_path, monkeypatch):
    """The other may finish at any moment: before a file, while it is written, and before the last step."""
    path, target = pack(tmp_path / "a.tar"), tmp_path / "a"
    write, calls = archive._write, 0

    def overtaken(*args):
        nonlocal calls
        if calls == when:
            shutil.copytree(reference, target)
            shutil.rmtree(tmp_path / ".a.part")
        calls += 1
        write(*args)

    reference = tmp_path / "reference"
    unpack(path, reference)
    monkeypatch.setattr(archive, "_write", overtaken)
    for when in range(len(CONTENT)):
        calls = 0
        unpack(path, target)
        assert calls == when + 1
        assert tree(target) == CONTENT
        assert sorted(os.listdir(tmp_path)) == ["a", "a.tar", "reference"]
        shutil.rmtree(target)
