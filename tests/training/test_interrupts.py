"""Signals are held back, then do what they did before."""

import signal
import threading

import pytest

from rga.training.interrupts import defer_stop_signals


def test_a_signal_is_held_back_until_the_end():
    finished = False
    with pytest.raises(KeyboardInterrupt), defer_stop_signals() as came:
        assert not came()
        signal.raise_signal(signal.SIGINT)
        assert came()
        finished = True
    assert finished
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_does_not_wait():
    reached = False
    with pytest.raises(KeyboardInterrupt), defer_stop_signals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert not reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_more_terminations_wait():
    """Slurm and torchrun send one each."""
    ends = []
    before = signal.signal(signal.SIGTERM, lambda *_: ends.append("ended"))
    try:
        with defer_stop_signals() as came:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert came() and not ends
        assert ends == ["ended"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_nothing_comes_nothing_happens():
    before = signal.getsignal(signal.SIGTERM)
    with defer_stop_signals() as came:
        assert not came() and signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_take_no_signals():
    answers = []

    def body():
        with defer_stop_signals() as came:
            answers.append(came())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert answers == [False]
