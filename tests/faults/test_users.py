"""Wrong names and types from Python, the command line and papermill: one error that says what was expected."""

import re

import papermill
import pytest
from helpers.small_network import network
from hypothesis import given, settings
from hypothesis import strategies as st

import rga
from rga.__main__ import main
from rga.io.paths import ROOT
from rga.models import create_model
from rga.runs import recipes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": "3"}, "epochs must be a whole number of at least 1, got '3'"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"p": 2.5}, "p must be a whole number"),
        ({"k": None}, "k must be a whole number"),
        ({"accumulate": "2"}, "accumulate must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"workers": -1}, "workers must be a whole number of at least 0"),
        ({"lr": "fast"}, "lr must be a number above 0, got 'fast'"),
        ({"lr": float("nan")}, "lr must be a number above 0"),
        ({"weight_decay": -1}, "weight_decay must be a number from 0, got -1"),
        ({"smoothing": 2}, "smoothing must be a number from 0 to below 1, got 2"),
        ({"margin": "soft"}, "margin must be a number from 0, got 'soft'"),
        ({"precision": 16}, "unknown precision 16: choose one of"),
        ({"resume": "Auto"}, "resume must be True, False or 'auto'"),
    ],
    ids=str,
)
def test_fit_says_what_it_expects(samples, change, message):
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=re.escape(message)):
        next(rga.fit(model, samples, **{"epochs": 1, "p": 2, "k": 2} | change))
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_fit_expects_samples(samples):
    for wrong in (None, [sample.path for sample in samples], [("a.png", "anna", 1)]):
        with pytest.raises(ValueError, match="expected samples .* such as splits.train, got"):
            next(rga.fit(network(), wrong, epochs=1, p=2, k=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "resnet"}, "unknown backbone 'resnet': choose one of resnet18"),
        ({"attention": []}, "unknown attention []"),
        ({"attention": "RGA"}, "unknown attention 'RGA': choose one of"),
        ({"num_pids": "4"}, "num_pids must be a whole number of at least 1, got '4'"),
        ({"num_pids": 0}, "num_pids must be a whole number of at least 1, got 0"),
        ({"size": "64x32"}, "size must be (height, width) in pixels, such as (256, 128), got '64x32'"),
        ({"size": 64}, "size must be (height, width)"),
        ({"size": (64.0, 32)}, "size must be (height, width)"),
        ({"size": (0, 32)}, "size must be (height, width)"),
        ({"trained_size": (64,)}, "size must be (height, width)"),
        ({"reduction": 0}, "reduction must be a whole number of at least 1, got 0"),
        ({"stages": "12"}, "stages are some of 1, 2, 3 and 4"),
        ({"init_gates": 1}, "init_gates must be 'released' or 'identity'"),
    ],
    ids=str,
)
def test_create_model_says_what_it_expects(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        create_model(**{"backbone": "resnet18", "num_pids": 4, "size": (64, 32)} | change)


FIELDS = sorted(vars(recipes.quick()))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10**20),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=3),
)


@settings(max_examples=100, deadline=20_000)
@given(st.sampled_from(FIELDS), ANYTHING)
def test_any_value_of_any_setting_is_taken_or_refused_with_its_name(name, value):
    """Of a recipe, and so of papermill's parameters and of `python -m rga train`."""
    try:
        recipe = recipes.quick(**{name: value})
    except ValueError as error:
        assert name in str(error), error
    else:
        assert hasattr(recipe, name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["trane"],
        ["train", "--epoch", "3"],
        ["train", "--epochs", "three"],
        ["train", "--p", "2.5"],
        ["train", "--resume"],
        ["evaluate", "--checkpoint"],
        ["prepare", "market"],
        ["search"],
        ["export", "--checkpoint", "a.pt", "--batch", "x"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_without_a_traceback(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "error: " in said and "Traceback" not in said


def test_a_file_in_place_of_a_folder_and_the_other_way_round(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["prepare", "folder", str(tmp_path / "file")]) == 1
    assert main(["evaluate", "folder", str(tmp_path), "--checkpoint", str(tmp_path)]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [{"epochs": "three"}, {"resume": "yes"}, {"size": "large"}, {"attention": 7}], ids=str
)
def test_papermills_parameters_reach_these_checks(wrong, tmp_path, monkeypatch):
    """The cells up to the recipe, as papermill fills them in."""
    whole = papermill.iorw.load_notebook_node(str(ROOT / "notebooks" / "03_train.ipynb"))
    filled = papermill.parameterize.parameterize_notebook(whole, wrong)
    code = [cell.source for cell in filled.cells if cell.cell_type == "code"][:3]
    assert code[1].count(" = ") == 1 and "recipe = recipes.get_recipe(" in code[2]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be|unknown {next(iter(wrong))}"):
        exec("\n".join(code), {})
