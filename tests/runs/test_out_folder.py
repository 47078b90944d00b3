"""One run at a time writes into a folder, and no earlier run is replaced without a word."""

import json
from dataclasses import replace

import pytest
from helpers.processes import start
from helpers.small_network import SIZE

from rga import runs
from rga.data import Splits
from rga.io.json_files import write_json
from rga.runs import out_folder, recipes
from rga.training import checkpoint


@pytest.fixture
def splits(samples):
    return Splits("tiny", tuple(samples), tuple(samples[::5]), tuple(samples))


@pytest.fixture
def recipe(tmp_path):
    settings = {"size": SIZE, "p": 2, "k": 2, "epochs": 2, "attention": "none", "precision": "fp32"}
    return recipes.quick(**settings, out=tmp_path / "run", save_every=1, keep=2)


def train(recipe, splits, steps=100):
    """How many steps a run has that its caller leaves after so many."""
    for log in runs.train(recipe, recipe.make_model(splits.num_pids), splits):
        if log.step == steps:
            break
    return len(checkpoint.load_training(recipe.checkpoint)["logs"])


def test_the_same_run_again_replaces_itself(recipe, splits):
    assert train(recipe, splits) == train(recipe, splits) == 4


def test_git_ignores_a_new_folder_of_a_run_and_no_other(tmp_path):
    new, made, other = (tmp_path / name for name in ("new", "made", "other"))
    for folder, file in ((made, "03_train.part.ipynb"), (other, "notes.md")):
        folder.mkdir()
        (folder / file).touch()
    for folder in (new, made, other):
        with out_folder.lock(folder):
            pass
    assert (new / ".gitignore").read_text() == (made / ".gitignore").read_text() == "*\n"
    assert not (other / ".gitignore").exists()


def test_a_run_of_an_earlier_version_is_known_by_its_report(recipe, splits):
    train(recipe, splits)
    (recipe.out / "settings.json").rename(recipe.out / "metrics.json")
    train(recipe, splits)
    (recipe.out / "settings.json").unlink()
    with pytest.raises(ValueError, match="other data"):
        train(recipe, splits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, r"run holds a run with other settings \(epochs 2 there, 1 here\).*resume=True"),
        ({"lr": 1e-4, "seed": 3}, r"seed 0 there, 3 here.*overwrite=True \(--overwrite\)"),
    ],
)
def test_another_run_is_not_replaced_unless_asked_to(recipe, splits, changes, message):
    train(recipe, splits)
    before = {file.name: file.read_bytes() for file in recipe.out.iterdir()}
    with pytest.raises(ValueError, match=message):
        train(replace(recipe, **changes), splits)
    assert before == {file.name: file.read_bytes() for file in recipe.out.iterdir()}
    train(replace(recipe, **changes, overwrite=True), splits)
    train(replace(recipe, **changes, out=recipe.out / "other"), splits)


def test_other_people_are_another_run(recipe, splits):
    train(recipe, splits)
    with pytest.raises(ValueError, match="other settings .other data."):
        train(recipe, replace(splits, query=splits.query[1:]))


def test_a_run_that_was_stopped_is_not_replaced_but_resumed(recipe, splits):
    train(recipe, splits, steps=3)
    with pytest.raises(ValueError, match="a run that was stopped after step 2 of 4, which would be replaced"):
        train(recipe, splits)
    (recipe.out / "checkpoint.pt").unlink()  # a second name of it is there
    with pytest.raises(ValueError, match="checkpoints that are not of a run trained to its end"):
        train(replace(recipe, resume="auto"), splits)
    (recipe.out / "checkpoint-0000002.pt").rename(recipe.out / "checkpoint.pt")
    assert train(replace(recipe, resume="auto"), splits) == 4


def test_a_new_run_leaves_nothing_of_the_earlier_one(recipe, splits):
    train(replace(recipe, epochs=4, evaluate_every=2), splits)
    write_json(recipe.out / "metrics.json", {})
    next(steps := runs.train(replace(recipe, overwrite=True), recipe.make_model(splits.num_pids), splits))
    assert {file.name for file in recipe.out.iterdir()} == {".gitignore", ".lock", "log.csv", "settings.json"}
    steps.close()


def test_a_report_is_gone_while_its_run_goes_on(recipe, splits):
    train(recipe, splits)
    write_json(recipe.out / "metrics.json", {})
    longer = replace(recipe, epochs=3, resume=True)
    for log in runs.train(longer, recipe.make_model(splits.num_pids), splits):
        assert (recipe.out / "metrics.json").exists() == log.held
    assert json.loads((recipe.out / "settings.json").read_text())["settings"]["epochs"] == 3


def hold(folder, ready, end):
    with out_folder.lock(folder):
        ready.touch()
        while not end.exists():
            pass


def test_a_folder_is_for_one_process_at_a_time(recipe, splits, tmp_path):
    ready, end = tmp_path / "ready", tmp_path / "end"
    process = start(hold, recipe.out, ready, end)
    while not ready.exists():
        assert process.is_alive()
    with pytest.raises(ValueError, match="another run is writing into .*run: wait until it is done"):
        train(replace(recipe, overwrite=True), splits)
    process.kill()  # the kernel releases it
    process.join()
    assert train(recipe, splits) == 4


def test_a_process_may_lock_a_folder_twice(tmp_path):
    with out_folder.lock(tmp_path), out_folder.lock(tmp_path):
        pass
