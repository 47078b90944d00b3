"""Helpers of the notebooks: parameters, set-up and checks."""

import dataclasses
import logging
import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

import rga
from rga.course import notebook


@dataclasses.dataclass(frozen=True)
class Recipe:
    dataset: str
    epochs: int


OWN = "profile = 'quick'\ndataset: str = 'synthetic'  # drawn people\nepochs = None"


def cells(injected=None, then="import rga"):
    """The history of a run, papermill's injected cell included."""
    return ["", OWN] + ([f"# Parameters\n{injected}"] if injected else []) + [then]


def test_parameters_are_those_with_a_value():
    namespace = {"In": cells(), "profile": "quick", "dataset": "cuhk03", "epochs": None}
    assert notebook.parameters(namespace, Recipe) == {"dataset": "cuhk03"}
    assert notebook.parameters(namespace, ["profile"]) == {"profile": "quick"}
    assert notebook.parameters({}, Recipe) == {}


def test_parameters_of_papermill_are_taken():
    assert notebook.parameters({"In": cells("epochs = 3"), "epochs": 3}, Recipe) == {"epochs": 3}
    assert notebook.parameters({"In": cells("profile = 'full'"), "profile": "full"}, Recipe) == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("epohcs", "unknown parameter 'epohcs'; did you mean 'epochs'? Known: dataset, epochs, profile."),
        ("zzz", "unknown parameter 'zzz'. Known: dataset, epochs, profile."),
    ],
)
@pytest.mark.parametrize("known", [Recipe, ()])
def test_a_misspelt_parameter_is_refused(name, message, known):
    later = f"{name} = 1"  # a cell below papermill's makes no name known
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        notebook.parameters({"In": cells(f"{name} = 3", later)}, known)


def test_a_notebook_shows_the_message_without_a_traceback(capsys):
    shell = InteractiveShell()
    shell.user_ns["refuse"] = lambda: notebook.parameters({"In": cells("epohcs = 3")}, Recipe)
    shell.run_cell("refuse()")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ValueError: unknown parameter 'epohcs'; did you mean 'epochs'?")


def test_a_cell_that_failed_stays_in_the_history_and_does_no_harm():
    notebook.parameters({"In": ["epochs =", *cells("epochs = 3")]}, Recipe)


@pytest.fixture
def untouched():
    """setup() changes the look of figures and the logger: put both back."""
    log = logging.getLogger("rga")
    before = log.level, log.propagate, log.handlers
    with mpl.rc_context():
        yield log
    log.level, log.propagate, log.handlers = before


def test_setup_prints_one_line_and_sends_log_lines_to_stdout(capsys, untouched):
    for _ in range(2):
        assert notebook.setup({"profile": "quick", "epochs": 2}, Recipe) == {"epochs": 2}
    logging.getLogger("rga.fit").info("weights: none")
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"rga {rga.__version__} · profile quick"] * 2 + ["weights: none"]
    assert not err


def test_check_says_the_sizes(capsys):
    notebook.check(torch.zeros(2, 6, 6), "B N N")
    notebook.check(np.zeros((2, 3)), "B 3", B=2)
    notebook.check(np.zeros((2, 3)), "B N", N=np.int64(3))
    assert capsys.readouterr().out == "B × N × N = 2 × 6 × 6\nB × 3 = 2 × 3\nB × N = 2 × 3\n"


@pytest.mark.parametrize(
    ("letters", "sizes", "message"),
    [
        ("B N N", {}, "expected the shape B × N × N, got 2 × 6 × 7."),
        ("B C", {}, "expected the shape B × C, got 2 × 6 × 7."),
        ("B 6 8", {}, "expected the shape B × 6 × 8, got 2 × 6 × 7."),
        ("B H W", {"H": 5}, "expected the shape B × H × W with H = 5, got 2 × 6 × 7."),
        ("B H W", {"H": np.int64(5)}, "expected the shape B × H × W with H = 5, got 2 × 6 × 7."),
    ],
)
def test_check_names_the_letters(letters, sizes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        notebook.check(torch.zeros(2, 6, 7), letters, **sizes)


def test_compare(capsys):
    notebook.compare("thin product", torch.tensor([1.0, 2.0]), np.array([1.0, 2.0]))
    notebook.compare("without the out-relations", torch.tensor([1.0]), [1.5], tolerance=0.1)
    assert capsys.readouterr().out.splitlines() == [
        "thin product: equal within 1e-06 (largest difference 0)",
        "without the out-relations: NOT equal within 0.1 (largest difference 0.5)",
    ]
    with pytest.raises(ValueError, match="one shape"):
        notebook.compare("shapes", torch.zeros(2), torch.zeros(3))
    notebook.compare("not a number", torch.tensor([float("nan")]), torch.zeros(1))
    assert "NOT equal" in capsys.readouterr().out


def test_expect(capsys):
    with notebook.expect(ValueError):
        int("x")
    assert capsys.readouterr().out.startswith("ValueError: invalid literal")
    with pytest.raises(AssertionError, match="expected ValueError"), notebook.expect(ValueError):
        pass
    with pytest.raises(KeyError), notebook.expect(ValueError):
        raise KeyError("another")
