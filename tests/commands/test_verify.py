"""python -m rga calibrate and verify: what is measured, on whom, and what is said of two images."""

import json
import os

import pytest

import rga
from rga import data
from rga.__main__ import main
from rga.commands import calibrate, verify
from rga.data import Sample
from rga.metrics import Calibration, pairwise_distance
from rga.search import fingerprint
from rga.training.checkpoint import load_model


@pytest.fixture
def calibration(checkpoints, cuhk03, tmp_path):
    """A calibration of one.pt. Its 8 pairs of different people tell no smaller share than an eighth."""
    path = tmp_path / "new" / "calibration.json"
    given = ["--checkpoint", str(checkpoints / "one.pt"), "--out", str(path), "--device", "cpu"]
    assert main(["calibrate", "cuhk03", str(cuhk03), "--false-accept", "0.25", *given]) == 0
    return path


@pytest.fixture
def answer(checkpoints, gallery, calibration):
    """Runs verify on two images of the gallery."""

    def run(*arguments, images=("0/0.png", "1/7.png"), network="one"):
        given = ["--checkpoint", str(checkpoints / f"{network}.pt"), "--calibration", str(calibration)]
        paths = [str(gallery / image) for image in images]
        return main(["verify", *paths, *given, "--device", "cpu", *map(str, arguments)])

    return run


def test_people_decide_or_measure_but_not_both(cuhk03):
    splits = data.load("cuhk03", cuhk03)
    deciding, measuring = calibrate._halves(splits)
    assert len(deciding) == len(measuring) == 2
    assert deciding | measuring == {sample.pid for sample in splits.query}
    assert calibrate._halves(splits) == (deciding, measuring)


def test_many_people_are_a_sample(cuhk03, monkeypatch):
    monkeypatch.setattr(calibrate, "PEOPLE", 3)
    assert [len(half) for half in calibrate._halves(data.load("cuhk03", cuhk03))] == [2, 1]


def test_the_rates_are_of_the_other_half(checkpoints, cuhk03, calibration):
    content, splits = json.loads(calibration.read_text()), data.load("cuhk03", cuhk03)
    model = load_model(checkpoints / "one.pt")
    assert content["network"] == fingerprint(model) and not content["flip"]
    assert os.listdir(calibration.parent) == ["calibration.json"]
    for people, rates in zip(
        calibrate._halves(splits), (content["decided_on"], content["measured_on"]), strict=True
    ):
        q, g = (
            rga.embed(model, [s for s in samples if s.pid in people])
            for samples in (splits.query, splits.gallery)
        )
        distances = pairwise_distance(q.embedding, g.embedding)
        same, seen_twice = q.pids[:, None] == g.pids, q.camids[:, None] != g.camids
        for kind, pairs in (("genuine", same & seen_twice), ("impostor", ~same)):
            assert rates[kind] == pairs.sum()
            share = (distances[pairs] <= content["threshold"]).float().mean()
            assert rates["true_accept" if kind == "genuine" else "false_accept"] == pytest.approx(
                share.item()
            )
    assert content["decided_on"]["false_accept"] <= 0.25


def test_the_answer_is_a_paragraph_and_json(answer, checkpoints, gallery, calibration, tmp_path, capsys):
    capsys.readouterr()
    assert answer("--json", tmp_path / "answer.json") == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and not err
    content, measured = (
        json.loads((tmp_path / "answer.json").read_text()),
        json.loads(calibration.read_text()),
    )
    pair = [Sample(gallery / name, 0, 0) for name in ("0/0.png", "1/7.png")]
    features = rga.embed(load_model(checkpoints / "one.pt"), pair).embedding
    distance = pairwise_distance(features[:1], features[1:]).item()
    assert content["distance"] == pytest.approx(distance, abs=1e-6)
    known = Calibration(measured["slope"], measured["intercept"])
    assert content["probability"] == pytest.approx(known.probability(content["distance"]))
    assert content["accepted"] == (distance <= measured["threshold"])
    assert content["measured_on"] == measured["measured_on"]
    assert content["images"] == [sample.path.as_posix() for sample in pair]
    assert f"(cosine similarity {1 - distance:.3f})" in out and "if 50 % of all pairs do" in out
    assert "Measured on 2 people of CUHK03" in out and "pairs of one person" in out
    assert "whom the threshold had not seen, it takes" in out  # and the network? nobody asked
    assert out.startswith("Probably") and ("accepts them" in out) == content["accepted"]


def test_a_picture_and_itself_are_the_same_person(answer, tmp_path, capsys):
    assert answer("--json", tmp_path / "answer.json", images=("0/0.png", "0/0.png")) == 0
    assert "accepts them as the same" in capsys.readouterr().out
    content = json.loads((tmp_path / "answer.json").read_text())
    assert content["accepted"] and content["distance"] == pytest.approx(0, abs=1e-6)


def test_strangers_are_less_likely_the_same(answer, tmp_path, capsys):
    found = []
    for prior in (0.5, 0.001):
        assert answer("--prior", prior, "--json", tmp_path / "answer.json") == 0
        found.append(json.loads((tmp_path / "answer.json").read_text())["probability"])
    assert found[1] < found[0] and "if 0.1 % of all pairs do" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["0", "1", "-0.1", "nan"])
def test_shares_are_between_0_and_1_before_anything_runs(answer, tmp_path, wrong, capsys):
    for run in (
        lambda: answer("--prior", wrong, network="nowhere"),
        lambda: main(f"calibrate cuhk03 nowhere --checkpoint none --out a --false-accept={wrong}".split()),
    ):
        with pytest.raises(SystemExit, match="2"):
            run()
        assert f"expected a number between 0 and 1, got {wrong}" in capsys.readouterr().err


def test_the_result_is_printed_even_if_its_file_cannot_be_written(
    checkpoints, cuhk03, tmp_path, monkeypatch, capsys
):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(calibrate, "write_json", full)
    given = ["--checkpoint", str(checkpoints / "one.pt"), "--device", "cpu", "--false-accept", "0.25"]
    assert main(["calibrate", "cuhk03", str(cuhk03), *given, "--out", str(tmp_path / "a.json")]) == 1
    out, err = capsys.readouterr()
    assert "The threshold is the similarity" in out and "No space left" in err


@pytest.mark.parametrize(
    "probability, words", [(0, "fewer than 1"), (0.126, "about 13"), (1, "more than 99")]
)
def test_shares_in_words(probability, words):
    assert verify._of_hundred(probability) == words


def test_the_calibration_of_another_network_is_refused(answer, capsys):
    assert answer(network="other") == 1
    err = capsys.readouterr().err
    assert "is the calibration of another network" in err and "run python -m rga calibrate" in err


def test_faults_have_a_reason_and_no_traceback(answer, gallery, checkpoints, tmp_path, capsys):
    (gallery / "text.png").write_text("no image")
    (tmp_path / "list.json").write_text("[1]")
    faults = {
        "there is no image": {"images": ("0/0.png", "nowhere.png")},
        "text.png cannot be read as an image": {"images": ("0/0.png", "text.png")},
        "expected a calibration in": {"arguments": ("--calibration", tmp_path / "nowhere.json")},
        "expected a calibration written by": {"arguments": ("--calibration", tmp_path / "list.json")},
        "got something else": {"arguments": ("--calibration", checkpoints / "one.pt")},
    }
    capsys.readouterr()
    for message, fault in faults.items():
        assert answer(*fault.pop("arguments", ()), **fault) == 1
        out, err = capsys.readouterr()
        assert message in err and not out


def test_what_cannot_be_calibrated(checkpoints, cuhk03, tmp_path, monkeypatch, capsys):
    given = [
        "calibrate",
        "cuhk03",
        str(cuhk03),
        "--checkpoint",
        str(checkpoints / "one.pt"),
        "--device",
        "cpu",
    ]
    given += ["--out", str(tmp_path / "calibration.json")]
    assert main(given) == 1
    assert "expected a share of impostors between 0.12" in capsys.readouterr().err
    monkeypatch.setattr(calibrate, "load_data", lambda args: data.Splits("small", (), (), ()))
    assert main(given) == 1
    assert "expected at least 4 people in query and gallery" in capsys.readouterr().err
    assert not (tmp_path / "calibration.json").exists()


def test_mirrored_features_are_used_in_both(checkpoints, cuhk03, gallery, tmp_path, capsys):
    path, answer = tmp_path / "calibration.json", tmp_path / "answer.json"
    network = ["--checkpoint", str(checkpoints / "one.pt"), "--device", "cpu"]
    measure = ["calibrate", "cuhk03", str(cuhk03), "--false-accept", "0.25", "--flip", "--out", str(path)]
    assert main([*measure, *network]) == 0
    assert "\n\nThe threshold is the similarity 0.9" in capsys.readouterr().out
    images = [gallery / "0/0.png", gallery / "1/7.png"]
    assert (
        main(["verify", *map(str, images), *network, "--calibration", str(path), "--json", str(answer)]) == 0
    )
    model = load_model(checkpoints / "one.pt")
    features = rga.embed(model, [Sample(image, 0, 0) for image in images], flip=True).embedding
    distance = pairwise_distance(features[:1], features[1:]).item()
    assert json.loads(answer.read_text())["distance"] == pytest.approx(distance, abs=1e-6)
