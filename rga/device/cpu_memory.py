"""Memory on a CPU: tensors that are freed leave their memory to the next ones."""

import ctypes
import sys

# Names and numbers of glibc's malloc.h; see mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_memory() -> bool:
    """Tell the C library not to give freed memory back to the system, from now on and in this process.

    Left alone, glibc takes every tensor above 32 MiB from the system page by page and gives it back when it is freed,
    and each page is filled with zeros before it may be used: a seventh to a quarter of a training step on a CPU
    (docs/cost.md). No number changes; the process holds on to the memory that it once needed. False, and nothing is
    done, where there is no glibc.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Nothing by mmap, nothing handed back, and grown by 64 MiB at a time. mallopt gives 1 for what it took.
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_TOP_PAD, 64 * 2**20)])
