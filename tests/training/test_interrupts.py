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
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"), defer_stop_signals() as came:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert came() and not ends
        assert ends == ["ended"]  # it came back, so that was not the end yet
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_stops_too(number, times):
    """As SIGINT in a background job of a shell: what was stopped must not be taken for done."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt, match="stop"), defer_stop_signals() as came:
            for _ in range(times):
                signal.raise_signal(number)
            assert came()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_an_error_is_not_hidden_by_a_signal_that_is_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(ValueError, match="the error"), defer_stop_signals():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("the error")
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
