"""A thread for each core that is idle: beside other programs, threads of one product wait for each other."""

import os
import time
from pathlib import Path

import torch

STAT = Path("/proc/stat")
# A moment's work of others, such as a browser's, is no load: the calmest window counts.
WINDOWS, SECONDS = 3, 0.1


def use_idle_cores() -> int:
    """Let PyTorch compute with as many threads as cores are idle now, at least one; returns their number.

    A product is done when its last thread is, so on a machine that is shared one thread more than there are idle cores
    costs more than it brings (docs/cost.md). With another number of threads sums are added in another order: a result
    differs in its last digits, and `rga.io.provenance` says how many there were. Nothing is changed where
    OMP_NUM_THREADS asks for a number, or where the system does not tell (it is asked for on Linux only).
    """
    if "OMP_NUM_THREADS" not in os.environ and (idle := idle_cores()) is not None:
        torch.set_num_threads(max(1, min(idle, torch.get_num_threads())))
    return torch.get_num_threads()


def idle_cores() -> int | None:
    """How many of this process's cores others leave idle, in the calmest of WINDOWS windows; None if nobody knows."""
    if not STAT.is_file() or not hasattr(os, "sched_getaffinity"):
        return None
    cores, busy = len(os.sched_getaffinity(0)), []
    before, own_before = _ticks(), time.process_time()
    for _ in range(WINDOWS):
        time.sleep(SECONDS)
        after, own = _ticks(), time.process_time()
        total, idle = (new - old for new, old in zip(after, before, strict=True))
        if total:
            seconds = total / os.sysconf("SC_CLK_TCK") / cores
            busy.append(cores * (1 - idle / total) - (own - own_before) / seconds)
        before, own_before = after, own
    return cores - round(min(busy)) if busy else None


def _ticks() -> tuple[int, int]:
    """Of this process's cores since the machine was started: all, and those in which they were idle (proc(5))."""
    names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    rows = [line.split() for line in STAT.read_text(encoding="ascii").splitlines()]
    counts = [[int(number) for number in row[1:9]] for row in rows if row and row[0] in names]
    return sum(map(sum, counts)), sum(row[3] + row[4] for row in counts)  # idle, and waiting for a disk
