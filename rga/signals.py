"""Ctrl-C and the termination that a cluster announces: finish the step, save, then stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Hold SIGINT and SIGTERM back; gives a function that says whether one has come.

    At the end of the context a signal that was held back is sent again, and does what it does elsewhere: SIGINT
    raises KeyboardInterrupt, SIGTERM ends the process. A second signal does not wait. Outside the main thread,
    where Python takes no signals, nothing is held back.
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
        came.append(number)
        if len(came) > 1:
            restore()
            signal.raise_signal(number)

    for number in STOPS:
        signal.signal(number, hold)
    try:
        yield lambda: bool(came)
    finally:
        restore()
        if len(came) == 1:
            signal.raise_signal(came[0])
