"""Ctrl-C and the termination that a cluster announces: finish the step, save, then stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Hold SIGINT and SIGTERM back; gives a function that says whether one has come.

    At the end of the context the first signal that was held back is sent again, and does what it does elsewhere:
    SIGINT raises KeyboardInterrupt, SIGTERM ends the process. A second SIGINT, from somebody who is in a hurry, does
    not wait; more SIGTERM do, since a cluster and torchrun send one each. Outside the main thread, where Python takes
    no signals, nothing is held back.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.getsignal(number) for number in STOPS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def hold(number, frame) -> None:
        if number == signal.SIGINT and number in came:
            came.clear()
            restore()
            signal.raise_signal(number)
        came.append(number)

    for number in STOPS:
        signal.signal(number, hold)
    try:
        yield lambda: bool(came)
    finally:
        restore()
        if came:
            signal.raise_signal(came[0])


def outlast(worker: int) -> None:
    """For a process that loads images (DataLoader's `worker_init_fn`): live on while the one that trains saves.

    A signal to a whole group of processes, as torchrun and Slurm send it, reaches both, and PyTorch ends the training
    process as soon as a worker dies. So signals do nothing here; a worker whose training process is gone ends by
    itself, within seconds.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
