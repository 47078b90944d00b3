"""Data sets as downloaded: the folder that holds one, found, or unpacked out of a zip or tar archive."""

import errno
import os
import shutil
import stat
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PureWindowsPath
from typing import IO, NamedTuple

from tqdm.auto import tqdm

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CHUNK = 1 << 20  # bytes
PASSING = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EFBIG")}


class RefusedError(Exception):
    """An archive that is whole, but is not unpacked here."""


class Member(NamedTuple):
    """A file in an archive: its place below the target, its size and content."""

    place: Path
    size: int
    open: Callable[[], IO[bytes]]


def locate(root: Path, holds: Callable[[Path], bool], archives: str = "*") -> Path | None:
    """The folder for which `holds` is true: root, or one at most two levels below it; None if there is none.

    If there is none and root is an archive (one of SUFFIXES), or a folder with archives whose names match the
    pattern `archives` in any case, these are unpacked beside themselves, each once, into a folder named after
    the archive, and looked into. Hidden folders and archives are passed over.

    Raises ValueError if an archive cannot be unpacked, as `unpack`.
    """
    if found := _search(root, holds):
        return found
    for path, target in archives_in(root, archives).items():
        unpack(path, target)
        if found := _search(target, holds):
            return found
    return _search(root, holds)  # a set that comes in several archives is whole only now


def archives_in(root: Path, names: str = "*") -> dict[Path, Path]:
    """{archive: the folder that it is unpacked into}: root itself, or those in it whose names match the pattern."""
    found = {}
    for path in [root] if root.is_file() else sorted(root.glob("[!.]*")):
        suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
        wanted = path == root or fnmatchcase(path.name.lower(), names.lower())
        if suffix and wanted and path.is_file():
            found[path] = path.with_name(path.name[: -len(suffix)])
    return found


def taken_as_unpacked(root: Path, archives: str = "*") -> str:
    """What an error says, after a space, of archives whose folders are there; "" if there are none."""
    return "".join(
        f" {path} counts as unpacked, because the folder {target} is there: if that is not what the archive holds, "
        "remove the folder and load again."
        for path, target in archives_in(root, archives).items()
        if target.is_dir()
    )


def _search(root: Path, holds: Callable[[Path], bool]) -> Path | None:
    for level in range(3):
        for folder in sorted(root.glob("[!.]*/" * level)) if level else [root]:
            enterable = os.access(folder, os.R_OK | os.X_OK)  # a disk's lost+found, for one, is not
            if enterable and folder.is_dir() and holds(folder):
                return folder
    return None


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar archive's files into the folder `target`, which appears when it is whole.

    A target that is there is left as it is. Else the files gather in the hidden folder .{target}.part beside
    it. If the process is killed or the disk is full, the next call goes on from there. Two processes may do
    this at once.

    Raises ValueError, and leaves no target, if the archive is damaged, cut off or encrypted, if it holds links
    or names that lead out of the target, or if there is no room or no permission to write.
    """
    if target.is_dir():
        return
    if target.exists():
        raise ValueError(
            f"{archive} is unpacked into {target}, where a file is in the way: rename that file."
        )
    about = archive.stat()
    scratch = target.with_name(f".{target.name}.part")
    tree = scratch / f"{about.st_size}-{about.st_mtime_ns}"  # never mixed with what another download left
    unfinished = scratch / f"{uuid.uuid4().hex}.tmp"  # beside the tree, so that it never gets into the target
    read = _zip if archive.name.lower().endswith(".zip") else _tar
    with tqdm(total=about.st_size, desc=f"unpacking {archive.name}", unit="B", unit_scale=True) as bar:
        try:
            tree.mkdir(parents=True, exist_ok=True)
            with archive.open("rb") as packed:
                for member in read(packed, tree):
                    if target.is_dir():  # another process was faster, here and where this is asked below
                        break
                    _write(member, tree, unfinished, lambda: bar.update(packed.tell() - bar.n))
            os.replace(tree, target)
            bar.update(bar.total - bar.n)
        except Exception as error:  # broken bytes lead zlib, lzma, zipfile and tarfile into many kinds
            if not target.is_dir():
                if not _may_pass(error):
                    shutil.rmtree(scratch, ignore_errors=True)
                raise ValueError(_advice(error, archive, target, bar.total - bar.n)) from error
        finally:
            with suppress(OSError):
                unfinished.unlink()
    shutil.rmtree(scratch, ignore_errors=True)


def _write(member: Member, tree: Path, unfinished: Path, progress: Callable[[], object]) -> None:
    path = tree / member.place
    if not _is_whole(path, member.size):
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, unfinished.open("wb") as file:
            while chunk := source.read(CHUNK):
                file.write(chunk)
                progress()
        if not _is_whole(unfinished, member.size):
            raise EOFError(f"{str(member.place)!r} ends early")
        os.replace(unfinished, path)
    progress()


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _zip(packed: IO[bytes], tree: Path) -> Iterator[Member]:
    """The members, in the order of their bytes; all are checked, and room is found, before the first."""
    with zipfile.ZipFile(packed) as archive:
        members = []
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        if not infos or infos[0].header_offset > 4:  # a cut zip, and the list of a zip inside it
            raise EOFError("its list of files is not there")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            place = _checked(info.filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            is_folder = info.filename.endswith(("/", "\\"))  # zipfile knows only the first
            if info.flag_bits & 1:
                raise RefusedError(f"{info.filename!r} needs the password that the set's authors give")
            if place and not is_folder:
                members.append(Member(place, info.file_size, lambda info=info: archive.open(info)))
        need = sum(m.size for m in members if not _is_whole(tree / m.place, m.size))
        if need > shutil.disk_usage(tree).free:
            raise OSError(errno.ENOSPC, f"{need:,} bytes of room are needed")
        yield from members


def _tar(packed: IO[bytes], tree: Path) -> Iterator[Member]:
    """The members, each checked when its turn comes: a tar has no list of them."""
    with tarfile.open(fileobj=packed, mode="r:*") as archive:
        for info in archive:
            place = _checked(info.name, plain=info.isreg() or info.isdir())
            if place and info.isreg():
                yield Member(place, info.size, lambda info=info: archive.extractfile(info))
        # tarfile takes any broken header for the end. The end is a block of zeros, and what follows must be
        # readable too: there lies the checksum of the compression.
        archive.fileobj.seek(archive.offset)
        if not archive.offset or archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("its end is not there")
        while archive.fileobj.read(CHUNK):
            pass


def _checked(name: str, plain: bool) -> Path | None:
    """A member's place below the target; None for what macOS adds and for the archive's own root.

    Stricter than tarfile's data filter, which lets links pass: through a link a later member gets outside.
    """
    path = PureWindowsPath(name)  # both slashes separate, and drive letters are seen, on every system
    if path.anchor or ".." in path.parts:
        raise RefusedError(f"{name!r} leads out of the folder")
    if not plain:
        raise RefusedError(f"{name!r} is neither a file nor a folder but a link or a device")
    junk = any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in path.parts)
    return None if junk or not path.parts else Path(*path.parts)


def _may_pass(error: Exception) -> bool:
    """Whether the archive may be whole, and the next call may go on: the disk or the permissions are at fault."""
    return getattr(error, "errno", None) in PASSING


def _advice(error: Exception, archive: Path, target: Path, left: int) -> str:
    if isinstance(error, RefusedError | NotImplementedError):  # zipfile does not know all compressions
        return (
            f"{archive} is not unpacked: {error}. Nothing was written outside {target.parent}. If you trust the "
            f"archive, unpack it by hand into {target}."
        )
    if _may_pass(error):
        return (
            f"{archive} is unpacked once, into {target}, and that failed ({error}). "
            f"{shutil.disk_usage(target.parent).free:,} bytes are free there, {left:,} bytes of the archive still "
            f"packed. Make room, or make {target.parent} writable, and load again: it goes on where it stopped. "
            "Or unpack the archive elsewhere and pass that folder as root."
        )
    with archive.open("rb") as file:
        page = file.read(CHUNK).lstrip().startswith(b"<")
    what = "a web page, not an archive" if page else "damaged or cut off"
    reason, *_ = str(error).split(":\n")  # tarfile goes on with a list of what it has tried
    return (
        f"{archive} is {what} ({reason}): download it again. It has {archive.stat().st_size:,} bytes; compare "
        "this with the size given where you get it."
    )
