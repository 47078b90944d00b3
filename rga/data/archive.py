"""Data sets as downloaded: the folder that holds one is found, or unpacked from a zip or tar archive."""

import errno
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

from rga.io.atomic_write import atomic_folder
from rga.io.bars import tqdm

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CHUNK = 1 << 20  # bytes
# The disk or the permissions are at fault, not the archive.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class RefusedError(Exception):
    """An archive that may be whole, but is not unpacked here."""


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
    """What an error adds, after a space, about archives whose folders are there; "" if there are none."""
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
    """Unpack a zip or tar archive into the folder `target`, which appears when it is whole.

    A target that is there is left as it is. Two processes may do this at once. If one is killed, the next call removes
    what it left and starts again.

    Raises ValueError, and leaves no target, if the archive is damaged, cut off or encrypted, if it holds links, devices
    or names that lead out of the target, or if there is no room or no permission to write.
    """
    if target.is_dir():
        return
    if target.exists():
        raise ValueError(
            f"{archive} is unpacked into {target}, where a file is in the way: rename that file."
        )
    extract = _extract_zip if archive.name.lower().endswith(".zip") else _extract_tar
    bar = {
        "total": archive.stat().st_size,
        "desc": f"unpacking {archive.name}",
        "unit": "B",
        "unit_scale": True,
    }
    try:
        with (
            atomic_folder(target) as folder,
            archive.open("rb") as file,
            tqdm.wrapattr(file, "read", **bar) as packed,
        ):
            extract(packed, folder)
            if not any(folder.iterdir()):
                raise EOFError("it holds no files")
    except Exception as error:  # broken bytes lead zlib, lzma, zipfile and tarfile into many kinds
        if not target.is_dir():  # else another process was faster
            raise ValueError(_advice(error, archive, target)) from error


def _extract_zip(packed: BinaryIO, folder: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        for info in members:
            info.filename = info.filename.replace("\\", "/")  # some programs on Windows
            kind = stat.S_IFMT(info.external_attr >> 16)
            _check(info.filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.flag_bits & 1:
                raise RefusedError(f"{info.filename!r} needs the password that the set's authors give")
        need = sum(info.file_size for info in members)
        if need > shutil.disk_usage(folder).free:
            raise OSError(errno.ENOSPC, f"{need:,} bytes of room are needed")
        for info in members:
            if not _is_junk(info.filename):
                archive.extract(info, folder)


def _extract_tar(packed: BinaryIO, folder: Path) -> None:
    with tarfile.open(fileobj=packed, mode="r:*", tarinfo=_StrictTarInfo) as archive:
        archive.extraction_filter = getattr(
            tarfile, "data_filter", None
        )  # Python 3.11.4; _check is stricter anyway
        for info in archive:
            _check(info.name, plain=info.isreg() or info.isdir())
            if not _is_junk(info.name):
                archive.extract(info, folder)
        while archive.fileobj.read(
            CHUNK
        ):  # what follows the end must be readable: the compression's checksum
            pass


class _StrictTarInfo(tarfile.TarInfo):
    """tarfile takes any broken header for the end of the archive; here the end is a block of zeros."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"its end is not there: {error}") from error


def _check(name: str, plain: bool) -> None:
    """Stricter than zipfile and tarfile's data filter, which rename some members and let some links pass."""
    path = PureWindowsPath(name)  # both slashes separate, and drive letters are seen, on every system
    if path.anchor or ".." in path.parts:
        raise RefusedError(f"{name!r} leads out of the folder")
    if not plain:
        raise RefusedError(f"{name!r} is neither a file nor a folder but a link or a device")


def _is_junk(name: str) -> bool:
    """Whether macOS added this member: it looks like an image, or a folder of the set, and is none."""
    return any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in name.split("/"))


def _advice(error: Exception, archive: Path, target: Path) -> str:
    if isinstance(error, RefusedError | NotImplementedError):  # zipfile does not know all compressions
        return (
            f"{archive} is not unpacked: {error}. Nothing was written outside {target.parent}. If you trust the "
            f"archive, unpack it by hand into {target}."
        )
    if getattr(error, "errno", None) in DISK_ERRORS:
        return (
            f"{archive} is unpacked once, into {target}, and that failed ({error}). "
            f"{shutil.disk_usage(target.parent).free:,} bytes are free there. Make room, or make {target.parent} "
            "writable, and load again. Or unpack the archive elsewhere and pass that folder as root."
        )
    with archive.open("rb") as file:
        page = file.read(CHUNK).lstrip().startswith(b"<")
    what = "a web page, not an archive" if page else "damaged or cut off"
    reason, *_ = str(error).split(":\n")  # tarfile lists below what it has tried
    return (
        f"{archive} is {what} ({reason}): download it again. It has {archive.stat().st_size:,} bytes; compare "
        "this with the size given where you get it."
    )
