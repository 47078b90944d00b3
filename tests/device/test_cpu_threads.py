"""A thread for each core that others leave idle: what the system says is counted right, and nothing else is touched."""

import itertools
import os

import pytest
import torch

from rga.device import cpu_threads
from rga.device.cpu_threads import idle_cores, use_idle_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux tells, others do not")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 4 cores: `machine(busy, own)` makes others, and this process, keep so many busy in each window."""
    ticks = os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(cpu_threads, "STAT", tmp_path / "stat")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 5})
    monkeypatch.setattr(torch, "get_num_threads", lambda: asked[-1])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: asked.append(number))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    asked = [4]

    def make(*busy, own=0.0):
        seconds, clock = itertools.count(), iter([own * second for second in range(10)])
        idle = [0, *itertools.accumulate(4 - others - own for others in busy)]

        def write(_=None):
            second = next(seconds)
            rows = [f"cpu{n} {(4 * second - idle[second]) * ticks / 4:.0f} 0 0" for n in (0, 1, 2, 5)]
            rows = [
                f"{row} {idle[second] * ticks / 8:.0f} {idle[second] * ticks / 8:.0f} 0 0 0" for row in rows
            ]
            rows += [f"cpu {10**9} 0 0 0 0 0 0 0", f"cpu3 {10**9} 0 0 0 0 0 0 0", "intr 5"]
            (tmp_path / "stat").write_text("\n".join(rows))

        monkeypatch.setattr(cpu_threads.time, "sleep", write)  # each window is a second of that machine
        monkeypatch.setattr(cpu_threads.time, "process_time", lambda: next(clock))
        write()
        return asked

    return make


@pytest.mark.parametrize(
    ("busy", "idle"),
    [((0, 0, 0), 4), ((1, 1, 1), 3), ((4, 4, 4), 0), ((4, 0.2, 4), 4), ((1.6, 1.7, 1.6), 2)],
)
def test_cores_of_this_process_that_others_leave_idle(machine, busy, idle):
    machine(*busy)
    assert idle_cores() == idle


def test_its_own_work_is_no_load(machine):
    machine(1, 1, 1, own=2)
    assert idle_cores() == 3


@pytest.mark.parametrize(("busy", "threads"), [((0, 0, 0), 4), ((3, 3, 3), 1), ((4, 4, 4), 1)])
def test_a_thread_for_each_of_them_and_at_least_one(machine, busy, threads):
    asked = machine(*busy)
    assert use_idle_cores() == threads == asked[-1]


def test_a_number_that_was_asked_for_stays(machine, monkeypatch):
    asked = machine(3, 3, 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert use_idle_cores() == 4 and asked == [4]


def test_no_more_threads_than_before(machine):
    asked = machine(0, 0, 0)
    asked.append(2)
    assert use_idle_cores() == 2


def test_elsewhere_nothing_is_done(machine, tmp_path):
    asked = machine(3, 3, 3)
    (tmp_path / "stat").unlink()
    assert idle_cores() is None and use_idle_cores() == 4 and asked == [4]
