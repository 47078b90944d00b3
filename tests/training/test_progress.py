"""Progress: lines for a batch run, a bar at a terminal, a line and curves in a notebook."""

import re
from types import SimpleNamespace

import pytest

from rga.training import progress as module
from rga.training.progress import progress


def logs(steps, start=1, held=0):
    for step in range(start, steps + 1):
        numbers = {"loss": 1 / step, "identity": 0.75 / step, "triplet": 0.25 / step}
        numbers |= {"images_per_second": 50.0, "waiting": 0.04, "held": step <= held}
        yield SimpleNamespace(step=step, steps=steps, epoch=1, epochs=1, **numbers)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(module.bars, "watched", lambda: True)


def test_lines_where_nobody_watches(capsys, monkeypatch):
    monkeypatch.setattr(module.bars, "watched", lambda: False)
    assert [log.step for log in progress(logs(40))] == list(range(1, 41))
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 10 and not err
    last = r"epoch 1/1 · step 40/40 · loss 0.025 = 0.019 \+ 0.006 · 50 images/s · 4 % waiting · 00:00 left"
    assert re.fullmatch(last, out.splitlines()[-1])


def test_a_loss_without_terms(capsys, monkeypatch):
    monkeypatch.setattr(module.bars, "watched", lambda: False)
    one = next(logs(1))
    one.identity = one.triplet = None
    list(progress([one]))
    assert "step 1/1 · loss 1.000 · 50 images/s" in capsys.readouterr().out


def test_steps_of_an_earlier_run_are_not_told_again(capsys, monkeypatch):
    monkeypatch.setattr(module.bars, "watched", lambda: False)
    assert len(list(progress(logs(40, held=20)))) == 40
    assert capsys.readouterr().out.count("step") == 5


def test_a_bar_for_a_person(capsys, watched):
    assert len(list(progress(logs(8, start=5)))) == 4
    out, err = capsys.readouterr()
    assert "8/8" in err and "50 images/s, 4 % waiting" in err and not out


def test_the_bar_is_closed_when_the_caller_stops(capsys, watched):
    shown = progress(logs(8))
    next(shown)
    shown.close()
    assert capsys.readouterr().err.endswith("\n")


@pytest.fixture
def shown(monkeypatch):
    """What a notebook shows, in the order in which it changes: a call every four seconds."""
    shown = []
    handle = SimpleNamespace(update=lambda content: shown.append(str(content)))
    display = lambda content, display_id: shown.append(str(content)) or handle  # noqa: E731
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(module.bars, "kernel", lambda: object())
    seconds = iter(range(0, 100000, 4))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(seconds))
    return shown


def test_a_notebook_that_somebody_watches_has_a_line_and_curves_that_grow(capsys, watched, shown):
    drawn = []
    list(progress(logs(6), draw=lambda seen: drawn.append(len(seen)) or f"figure {len(seen)}"))
    lines, figures = ([words for words in shown if ("figure" in words) == kind] for kind in (False, True))
    assert len(lines) == 6 and lines[2].startswith("██████████░░░░░░░░░░ epoch 1/1 · step 3/6 · loss 0.333")
    assert figures == [f"figure {n}" for n in drawn]
    assert 3 <= len(drawn) < 6 and drawn == sorted(drawn)  # one each ten seconds, of all steps so far
    assert drawn[-1] == 6 and capsys.readouterr() == ("", "")


def test_where_nobody_watches_a_notebook_has_the_curves_at_the_end(monkeypatch, shown, capsys):
    monkeypatch.setattr(module.bars, "watched", lambda: False)
    list(progress(logs(6), lines=2, draw=lambda seen: f"figure {len(seen)}"))
    assert shown == ["figure 6"] and len(capsys.readouterr().out.splitlines()) == 2


def test_a_run_that_breaks_leaves_its_curves(watched, shown):
    def breaks():
        yield from logs(2)
        raise ValueError("the loss became nan")

    with pytest.raises(ValueError, match="nan"):
        list(progress(breaks(), draw=lambda seen: f"figure {len(seen)}"))
    assert shown[-1] == "figure 2"


def test_no_curves_at_a_terminal(watched, monkeypatch):
    monkeypatch.setattr(module.bars, "kernel", lambda: None)
    seconds = iter(range(0, 100000, 40))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(seconds))
    list(progress(logs(6), draw=lambda seen: pytest.fail("drawn")))
