"""python -m rga export: what it writes, what it says of it, and what it refuses."""

import json

import pytest
import torch
import torch.nn.functional as F

from rga.__main__ import main
from rga.data.transforms import normalise
from rga.search import fingerprint
from rga.training.checkpoint import load_model


@pytest.mark.parametrize("format, name", [("onnx", "network.onnx"), ("torch", "network.pt2")])
def test_writes_the_network_of_a_checkpoint(format, name, checkpoints, tmp_path, capsys):
    out = tmp_path / name
    assert main(["export", str(checkpoints / "one.pt"), "--format", format, "--out", str(out)]) == 0
    printed, err = capsys.readouterr()
    assert not err
    assert [line.split("|")[0].strip() for line in printed.splitlines()[1:]] == [
        "takes",
        "gives",
        "difference",
    ]
    assert printed.startswith(f"{out}: resnet18 + none, ")
    assert "images (batch, 3, 64, 32), uint8, RGB" in printed and "embedding (batch, 512)" in printed
    assert out.is_file()


def test_the_options_reach_the_file(checkpoints, tmp_path, capsys):
    out, model = tmp_path / "network.pt2", load_model(checkpoints / "one.pt")
    arguments = ["--format", "torch", "--out", str(out), "--output", "feature", "--normalised"]
    assert main(["export", str(checkpoints / "one.pt"), *arguments]) == 0
    assert "feature (batch, 512)" in (printed := capsys.readouterr().out) and "float32, normalised" in printed
    extra = {"rga.json": ""}
    exported = torch.export.load(out, extra_files=extra).module()
    about = json.loads(extra["rga.json"])
    assert (about["network"], about["output"]) == (fingerprint(model), "feature")
    x = normalise(torch.randint(0, 256, (3, 3, 64, 32), dtype=torch.uint8))
    torch.testing.assert_close(exported(x), F.normalize(model(x).feature), rtol=0, atol=1e-5)


def test_faults_have_a_reason_and_no_traceback(tmp_path, capsys):
    arguments = ["export", str(tmp_path / "none.pt"), "--out", str(tmp_path / "network.onnx")]
    assert main([*arguments, "--format", "onnx"]) == 1
    assert "expected a checkpoint at" in capsys.readouterr().err
    for wrong in ([], ["--format", "caffe"]):
        with pytest.raises(SystemExit, match="2"):
            main([*arguments, *wrong])
    assert not list(tmp_path.iterdir())
