"""Run code that is not trusted, on Linux: what a process may still do, once it is shut in.

Outside: `command` starts a program in namespaces of its own, without network, where it sees no other process. Inside,
`shut_in` makes all files read-only but one small folder in memory. Then `limit`, in each child that runs such code:
limits of CPU time, memory, files, no new process, no privilege. Everything is an ordinary system call.
"""

import ctypes
import os
import platform
import resource
import shutil
import struct
import subprocess
from pathlib import Path

NAMESPACES = ["--user", "--map-root-user", "--net", "--pid", "--ipc", "--mount"]
UNSHARE = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", "--"]
MIB = 2**20
FOLDER_MIB, FILE_MIB = 64, 16  # room in the one folder that can be written, and in a file
FILES = 64  # open at once
THREADS = 64

# System calls by number, as the kernel's headers have them: the machine's code, clone, those that are refused.
CALLS = {
    "x86_64": (0xC000003E, 56, [57, 58, 101, 272]),  # fork, vfork, ptrace, unshare
    "aarch64": (0xC00000B7, 220, [117, 97]),  # ptrace, unshare
}
CLONE3, MOUNT_SETATTR, SECCOMP = 435, 442, {"x86_64": 317, "aarch64": 277}
_libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str | None:
    """Why this machine cannot isolate; None if it can."""
    if shutil.which("unshare") is None or platform.machine() not in CALLS:
        return "isolation needs Linux with util-linux's unshare, on x86-64 or 64-bit ARM"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True)
    if tried.returncode:
        return (
            f"this system forbids the namespaces that isolate (containers often do): {tried.stderr.strip()}"
        )
    return None


def shut_in(scratch: Path, hidden: Path | None = None) -> None:
    """All files become read-only for this process and its children; scratch becomes an empty folder in memory.

    hidden: a folder to be seen empty. Needs `command`'s namespaces.
    """
    if hidden is not None:
        _mount(hidden, "size=4k,mode=555")
    read_only = struct.pack("QQQQ", 1, 0, 0, 0)  # MOUNT_ATTR_RDONLY; everything below /, too: AT_RECURSIVE
    _call(_libc.syscall, MOUNT_SETATTR, -100, b"/", 0x8000, read_only, len(read_only))
    _mount(scratch, f"size={FOLDER_MIB}m,nr_inodes=4096")


def limit(seconds: float, memory: int) -> None:
    """Limit this process for good: CPU seconds, and bytes of memory beyond what it has now."""
    whole = max(1, round(seconds))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, most in [
        (resource.RLIMIT_CPU, whole),
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_FSIZE, FILE_MIB * MIB),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_NPROC, THREADS),
        (resource.RLIMIT_CORE, 0),
    ]:
        resource.setrlimit(kind, (most, most))


def drop_privileges() -> None:
    """No capability, now or by a program with more rights, and no new process; threads are allowed."""
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; the kernel has fewer than 64
    header, nothing = struct.pack("II", 0x20080522, 0), bytes(24)
    _call(_libc.capset, header, nothing)
    _call(_libc.prctl, 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    program = ctypes.create_string_buffer(code := _filter(), len(code))
    pointer = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(program))
    _call(_libc.syscall, SECCOMP[platform.machine()], 1, 0, pointer)  # SECCOMP_SET_MODE_FILTER


def _filter() -> bytes:
    """A program of the kernel's packet filter over the number of a system call and its first argument."""
    machine, clone, refused = CALLS[platform.machine()]
    refuse, unknown, allow = (
        0x00050001,
        0x00050026,
        0x7FFF0000,
    )  # EPERM; ENOSYS, so that clone is tried; allow
    load, equal, at_least, bits, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    program = [(load, 0, 0, 4), (equal, 1, 0, machine), (answer, 0, 0, refuse), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, 0x40000000), (answer, 0, 0, refuse)]  # x86's other numbers for the same
    program += [(equal, 0, 1, CLONE3), (answer, 0, 0, unknown)]
    for number in refused:
        program += [(equal, 0, 1, number), (answer, 0, 0, refuse)]
    program += [(equal, 1, 0, clone), (answer, 0, 0, allow)]
    program += [(load, 0, 0, 16), (bits, 0, 1, 0x10000), (answer, 0, 0, allow), (answer, 0, 0, refuse)]
    return b"".join(struct.pack("HBBI", *step) for step in program)


def _mount(folder: Path, options: str) -> None:
    _call(_libc.mount, b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options.encode())


def _call(function, *arguments) -> None:
    if function(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), function.__name__)
