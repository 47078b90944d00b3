"""python -m rga evaluate: the scores of rga.evaluate, printed and as JSON."""

import json
import os

import pytest

from rga import data, evaluate
from rga.__main__ import main
from rga.metrics import evaluate_ranking, rerank
from rga.models import create_model
from rga.search import fingerprint
from rga.training.checkpoint import load_model, save
from rga.training.resume import image_digests


def test_scores_are_those_of_the_library(checkpoints, cuhk03, tmp_path, capsys):
    path = tmp_path / "new" / "scores.json"
    arguments = ["evaluate", "cuhk03", str(cuhk03), "--boxes", "detected", "--device", "cpu"]
    assert main([*arguments, "--checkpoint", str(checkpoints / "one.pt"), "--json", str(path)]) == 0
    splits, model = data.load("cuhk03", cuhk03, boxes="detected"), load_model(checkpoints / "one.pt")
    expected = evaluate(model, splits)
    out = capsys.readouterr().out
    assert out.startswith(str(splits))
    assert f"\nbefore neck | {expected.feature}\nafter neck  | {expected.embedding}\nchance: rank-1 " in out
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, ranking in (("before_neck", expected.feature), ("after_neck", expected.embedding)):
        assert content[name]["rank1"] == ranking.rank(1) and content[name]["queries"] == ranking.num_valid
        assert content[name]["mAP"] == ranking.mAP and content[name]["mINP"] == ranking.mINP
        assert content[name]["cmc"] == ranking.cmc.tolist()
    assert content["data"] == str(splits).splitlines() and content["network"] == fingerprint(model)
    assert content["config"]["backbone"] == "resnet18" and "provenance" in content
    assert os.listdir(path.parent) == ["scores.json"]


def test_reranked_and_mirrored_scores(checkpoints, tmp_path, monkeypatch, cuhk03, capsys):
    splits = data.load("cuhk03", cuhk03)
    splits = data.Splits("more", splits.train, splits.query, splits.gallery + splits.train)
    monkeypatch.setattr(data, "load", lambda name, **options: splits)
    arguments = [
        "evaluate",
        "cuhk03",
        str(cuhk03),
        "--rerank",
        "--flip",
        "--json",
        str(tmp_path / "scores.json"),
    ]
    assert main([*arguments, "--checkpoint", str(checkpoints / "one.pt"), "--device", "cpu"]) == 0
    *rankings, query, gallery = evaluate(load_model(checkpoints / "one.pt"), splits, flip=True)
    distances = rerank(query.embedding, gallery.embedding)
    again = evaluate_ranking(distances, query.pids, gallery.pids, query.camids, gallery.camids)
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["flip"] and content["after_neck"]["mAP"] == rankings[1].mAP
    assert content["after_neck_reranked"]["mAP"] == pytest.approx(again.mAP)
    assert "before neck reranked |" in capsys.readouterr().out


def evaluated(checkpoints, cuhk03, path, *arguments):
    given = ["evaluate", "cuhk03", cuhk03, "--device", "cpu", "--checkpoint", checkpoints / "one.pt"]
    assert main([*map(str, given), "--json", str(path), *arguments]) == 0
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_set_too_small_to_rerank_has_fewer_neighbours(checkpoints, cuhk03, tmp_path, capsys):
    content = evaluated(checkpoints, cuhk03, tmp_path / "scores.json", "--rerank")
    assert (content["k1"], content["k2"], content["lambda_"]) == (15, 6, 0.3)
    out, err = capsys.readouterr()
    assert "after neck           |" in out and "after neck reranked  |" in out
    assert "re-ranking with k1 = 15 and k2 = 6 instead of 20 and 6, as query and gallery have only 16" in err


def test_the_parameters_of_reranking_are_options(checkpoints, cuhk03, tmp_path, capsys):
    options = ["--rerank", "--k1", "4", "--k2", "2", "--lambda", "0"]
    content = evaluated(checkpoints, cuhk03, tmp_path / "scores.json", *options)
    *_, query, gallery = evaluate(load_model(checkpoints / "one.pt"), data.load("cuhk03", cuhk03))
    distances = rerank(query.embedding, gallery.embedding, k1=4, k2=2, lambda_=0)
    expected = evaluate_ranking(distances, query.pids, gallery.pids, query.camids, gallery.camids)
    assert content["after_neck_reranked"]["mAP"] == pytest.approx(expected.mAP)
    assert (content["k1"], content["k2"], content["lambda_"]) == (4, 2, 0)
    assert "instead of" not in capsys.readouterr().err


def test_scores_survive_a_reranking_that_fails(checkpoints, cuhk03, tmp_path, monkeypatch, capsys):
    expected = evaluated(checkpoints, cuhk03, tmp_path / "expected.json")
    printed = [line.split("|")[1] for line in capsys.readouterr().out.splitlines() if "neck" in line]

    def no_memory(*_, **__):
        raise OSError("no memory for distances")

    monkeypatch.setattr("rga.commands.evaluate.rerank", no_memory)
    given = ["evaluate", "cuhk03", cuhk03, "--device", "cpu", "--checkpoint", checkpoints / "one.pt"]
    assert main([*map(str, given), "--rerank", "--json", str(tmp_path / "scores.json")]) == 1
    out, err = capsys.readouterr()
    assert [line.split("|")[1] for line in out.splitlines() if "neck" in line] == printed
    assert "no memory for distances" in err
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert content["after_neck"] == expected["after_neck"] and content.keys() == expected.keys()


@pytest.mark.parametrize("wrong", ["--k1 0", "--k2 -1", "--lambda 1.5", "--lambda nan"])
def test_wrong_parameters_are_refused_at_once(wrong, cuhk03, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "cuhk03", str(cuhk03), "--checkpoint", "nowhere.pt", "--rerank", *wrong.split()])
    assert "expected" in capsys.readouterr().err


def test_single_shot_sets_are_scored_as_such(checkpoints, cuhk03, capsys):
    arguments = ["evaluate", "cuhk03", str(cuhk03), "--protocol", "classic", "--device", "cpu"]
    assert main([*arguments, "--checkpoint", str(checkpoints / "one.pt")]) == 0
    splits = data.load("cuhk03", cuhk03, protocol="classic")
    assert f"| {evaluate(load_model(checkpoints / 'one.pt'), splits).embedding}\n" in capsys.readouterr().out


def test_people_who_were_trained_on_are_told_of(cuhk03, tmp_path, capsys):
    network, scores = tmp_path / "one.pt", tmp_path / "scores.json"
    arguments = ["evaluate", "cuhk03", str(cuhk03), "--checkpoint", str(network), "--json", str(scores)]
    splits, model = data.load("cuhk03", cuhk03), create_model("resnet18", "none", num_pids=3, size=(64, 32))
    someone = [sample for sample in splits.gallery if sample.pid == splits.query[0].pid]
    for images, known in ((None, None), (splits.train, 0), ([*splits.train, someone[0]], 1)):
        digests = {} if images is None else {"trained_on": image_digests(s.path for s in images)}
        save(network, model, **digests)
        assert main(arguments) == 0
        assert json.loads(scores.read_text())["test_people_trained_on"] == known
        people = len({sample.pid for sample in splits.query})
        err = f"was trained on images of 1 of the {people} query people, so the scores are too good"
        assert (err in capsys.readouterr().err) == (known == 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--boxes", "both"], "no boxes 'both'"),
        (["--multi-query"], "multi_query is empty"),
        (["--checkpoint", "nowhere.pt"], "expected a checkpoint at nowhere.pt"),
    ],
)
def test_faults_have_a_reason_and_no_traceback(checkpoints, cuhk03, arguments, message, capsys):
    given = [
        "evaluate",
        "cuhk03",
        str(cuhk03),
        "--checkpoint",
        str(checkpoints / "one.pt"),
        "--device",
        "cpu",
    ]
    assert main([*given, *arguments]) == 1
    assert message in capsys.readouterr().err
