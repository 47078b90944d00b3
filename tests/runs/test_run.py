"""A run writes scores, checkpoints and logs that a resumed run, and a reader, can rely on."""

import json
from dataclasses import replace

import pytest
import torch
from helpers.small_network import SIZE

import rga
from rga import runs
from rga.runs import recipes, run
from rga.training import checkpoint


@pytest.fixture
def splits(samples):
    query = tuple(s for s in samples if s.path.stem.endswith("_0"))
    return rga.data.Splits("tiny", tuple(samples), query, tuple(samples))


@pytest.fixture
def recipe(tmp_path):
    settings = {"size": SIZE, "p": 2, "k": 2, "epochs": 4, "attention": "rga_s", "precision": "fp32"}
    return recipes.quick(**settings, out=tmp_path, save_every=1, evaluate_every=2)


def test_scores_best_network_and_table(recipe, splits):
    model = recipe.make_model(splits.num_pids)
    logs = list(runs.train(recipe, model, splits))
    scores = json.loads((recipe.out / "scores.json").read_text())
    assert list(scores) == ["2", "4"]
    assert scores["4"] == json.loads(json.dumps(runs.scored(runs.test(recipe, model, splits).embedding)))
    best = torch.load(recipe.out / "best.pt", weights_only=True)["training"]
    first_best = max(scores, key=lambda epoch: (scores[epoch]["mAP"], -int(epoch)))
    assert len(best.pop("trained_on")) == len(splits.train)
    assert best == {"epoch": int(first_best), "mAP": scores[first_best]["mAP"]}
    assert checkpoint.load_model(recipe.out / "best.pt").config == model.config
    assert len((recipe.out / "log.csv").read_text().splitlines()) == 1 + len(logs) == 9


def test_a_resumed_run_has_the_scores_of_the_whole(recipe, splits):
    straight = recipe.make_model(splits.num_pids)
    list(runs.train(replace(recipe, out=recipe.out / "straight"), straight, splits))
    for log in runs.train(recipe, recipe.make_model(splits.num_pids), splits):
        if log.epoch == 4:
            break  # epoch 2 is scored, epoch 3 is saved
    scored = []
    recipe = replace(recipe, resume="auto")
    model = recipe.make_model(splits.num_pids)
    for _ in runs.train(recipe, model, splits):
        scored.append(len(json.loads((recipe.out / "scores.json").read_text())))
    assert scored == [1] * 8  # nothing is evaluated again on the way
    whole = json.loads((recipe.out / "straight" / "scores.json").read_text())
    assert json.loads((recipe.out / "scores.json").read_text()) == whole
    torch.testing.assert_close(model.state_dict(), straight.state_dict(), rtol=0, atol=0)


def test_a_refused_run_leaves_earlier_files_alone(recipe, splits):
    list(runs.train(recipe, recipe.make_model(splits.num_pids), splits))
    before = (recipe.out / "log.csv").read_text()
    with pytest.raises(ValueError, match="other batches"):
        other = replace(recipe, p=4, resume=True)
        list(runs.train(other, other.make_model(splits.num_pids), splits))
    assert (recipe.out / "log.csv").read_text() == before and before


def test_a_new_run_drops_earlier_scores(recipe, splits):
    recipe.out.mkdir(exist_ok=True)
    (recipe.out / "scores.json").write_text('{"2": {"mAP": 2.0}}')
    list(runs.train(replace(recipe, epochs=2), recipe.make_model(splits.num_pids), splits))
    assert json.loads((recipe.out / "scores.json").read_text())["2"]["mAP"] <= 1


@pytest.mark.parametrize("save_every", [1, 10])
def test_an_evaluation_that_fails_costs_no_training_and_is_made_up_for(
    recipe, splits, save_every, monkeypatch
):
    recipe = replace(recipe, save_every=save_every)
    straight = recipe.make_model(splits.num_pids)
    list(runs.train(replace(recipe, out=recipe.out / "straight"), straight, splits))

    def fail(*_):
        raise ValueError("a broken image")

    with monkeypatch.context() as patch:
        patch.setattr(run, "test", fail)
        with pytest.raises(ValueError, match="a broken image"):
            list(runs.train(recipe, recipe.make_model(splits.num_pids), splits))
    assert len(checkpoint.load_training(recipe.checkpoint)["logs"]) == 4  # two epochs
    model = recipe.make_model(splits.num_pids)
    list(runs.train(replace(recipe, resume=True), model, splits))
    scores = [json.loads((out / "scores.json").read_text()) for out in (recipe.out, recipe.out / "straight")]
    assert list(scores[0]) == ["2", "4"] and scores[0] == scores[1]
    torch.testing.assert_close(model.state_dict(), straight.state_dict(), rtol=0, atol=0)


def test_a_set_without_test_people_is_trained_on(recipe, splits):
    splits, model = replace(splits, query=(), gallery=()), recipe.make_model(splits.num_pids)
    logs = list(runs.train(recipe, model, splits))
    assert len(logs) == 8 and not (recipe.out / "scores.json").exists()
    report = runs.report(recipe, model, splits, None, logs, {})
    assert "after_neck" not in report and report["last_loss"] == logs[-1].loss
    with pytest.raises(ValueError, match="tiny has nobody to test with"):
        runs.test(recipe, model, splits)


def test_there_is_no_report_of_a_run_that_was_stopped(recipe, splits):
    model, steps = recipe.make_model(splits.num_pids), []
    for log in runs.train(recipe, model, splits):
        steps.append(log)
        if log.step == 3:
            break
    with pytest.raises(ValueError, match="stopped after step 3 of 8"):
        runs.report(recipe, model, splits, runs.test(recipe, model, splits), steps, {})


def test_gates_and_events(recipe, splits):
    pytest.importorskip("tensorboard")
    recipe = replace(recipe, epochs=2, tensorboard=True)
    list(runs.train(recipe, recipe.make_model(splits.num_pids), splits))
    assert list((recipe.out / "tensorboard").iterdir())
    plain = replace(recipe, attention="none", out=recipe.out / "none")
    list(runs.train(plain, plain.make_model(splits.num_pids), splits))  # no gates, no figure


def test_report(recipe, splits):
    model = recipe.make_model(splits.num_pids)
    logs = list(runs.train(recipe, model, splits))
    result = runs.test(recipe, model, splits)
    report = runs.report(recipe, model, splits, result, logs, {"training": 1.0}, untrained={"rank1": 0.0})
    assert report["after_neck"]["rank1"] == result.embedding.rank(1)
    assert report["settings"]["epochs"] == 4 and report["untrained"] == {"rank1": 0.0}
    assert 0 < report["chance_rank1"] < 1 and report["processes"] == 1
    assert report["resumed_after_step"] == 0
    assert report["provenance"]["torch"] == torch.__version__
