"""A bar in a notebook is a line of text that is replaced: no widget, and nothing where nobody watches."""

from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter

from rga.io import bars


@pytest.fixture
def shown(monkeypatch):
    """What a notebook shows, in the order in which it changes."""
    shown = []
    handle = SimpleNamespace(update=shown.append)
    monkeypatch.setattr(
        "IPython.display.display", lambda content, display_id: shown.append(content) or handle
    )
    monkeypatch.setattr(bars, "kernel", lambda: object())
    return shown


def test_a_notebook_that_somebody_watches_has_a_line(shown, monkeypatch, capsys):
    monkeypatch.setattr(bars, "watched", lambda: True)
    assert list(bars.tqdm(range(3), "reading images")) == [0, 1, 2]
    assert "reading images: 100%" in shown[-1] and "█" in shown[-1] and "3/3" in shown[-1]
    assert DisplayFormatter().format(shown[-1])[0] == {"text/plain": str(shown[-1])}
    assert capsys.readouterr() == ("", "")


def test_where_nobody_watches_a_notebook_has_none(shown, monkeypatch, capsys):
    monkeypatch.setattr(bars, "watched", lambda: False)
    assert list(bars.tqdm(range(3))) == [0, 1, 2]
    assert not shown and capsys.readouterr() == ("", "")


def test_a_terminal_has_tqdms_own(capsys):
    assert list(bars.tqdm(range(3))) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err
