"""Ctrl-C (SIGINT) and SIGTERM while `rga.fit` trains: they wait until the step is done and a checkpoint saved."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def defer_stop_signals() -> Iterator[Callable[[], bool]]:
    """Hold SIGINT and SIGTERM back while the context is open; gives a function that says whether one has come.

    At the end of the context the first deferred signal is re-raised, with the handler it had before: SIGINT raises
    KeyboardInterrupt, SIGTERM ends the process. Where that does neither, since the signal is ignored (SIGINT in a
    background job of a shell) or its handler returns, KeyboardInterrupt is raised, so that nobody takes what was
    stopped for done. A second SIGINT, from somebody who is in a hurry, is not deferred; more SIGTERM are, since a
    cluster and torchrun send one each. Outside the main thread, where Python takes no signals, nothing is deferred.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def defer(number, frame) -> None:
        if number == signal.SIGINT and number in received:
            received.clear()
            restore()
            signal.raise_signal(number)
            raise KeyboardInterrupt("told twice to stop (SIGINT).")
        received.append(number)

    for number in STOP_SIGNALS:
        signal.signal(number, defer)
    try:
        yield lambda: bool(received)
    finally:
        restore()
        if received:
            signal.raise_signal(received[0])
    if received:
        raise KeyboardInterrupt(f"told to stop ({signal.Signals(received[0]).name}).")
