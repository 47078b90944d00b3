"""glibc's malloc thresholds: a process that keeps freed memory for the next tensors, instead of returning it."""

import ctypes
import sys

# Parameters of mallopt(3), numbered as in glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_memory() -> bool:
    """No mmap and no trim: malloc does not return freed memory to the system, from now on and in this process.

    By default glibc allocates every tensor above 32 MiB by mmap and unmaps it when it is freed, and each page faults
    and is zeroed before it may be used: a seventh to a quarter of a training step on a CPU (docs/cost.md). No number
    changes; the process holds its peak memory. Returns False, and does nothing, where there is no glibc.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No mmap, no trimming of the heap's top, and the heap grows in steps of 64 MiB. mallopt returns 1 for success.
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_TOP_PAD, 64 * 2**20)])
