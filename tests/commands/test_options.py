"""What commands share: a data set's options reach it, and outputs are checked before anything is computed."""

import inspect
from pathlib import Path

import pytest

from rga import data
from rga.__main__ import main, make_parser


def test_every_kind_of_option_reaches_the_data_set(tmp_path, monkeypatch):
    seen = {}

    def load(
        root: str | Path | None = None,
        boxes: str = "100 %",
        split: int | None = None,
        share: float = 0.5,
        identities: tuple[int, int] = (3, 4),
        allow_missing: bool = False,
        masks: bool = True,
        pattern: str | None = None,
    ) -> data.Splits:
        """A set, 100 % of it."""
        seen.update({name: value for name, value in locals().items() if name != "seen"})
        return data.Splits("empty", (), (), ())

    monkeypatch.setitem(data.DATASETS, "fake", load)
    options = "--split 3 --share 0.25 --identities 5 6 --allow-missing --no-masks --pattern x".split()
    status = main(["prepare", "fake", "there", "--boxes", "detected", *options])
    assert status == 1  # for it has no images
    expected = {"root": "there", "boxes": "detected", "split": 3, "share": 0.25, "identities": (5, 6)}
    assert seen == expected | {"allow_missing": True, "masks": False, "pattern": "x"}
    main(["prepare", "fake"])
    assert seen == {name: option.default for name, option in inspect.signature(load).parameters.items()}


def test_every_data_set_explains_itself(capsys):
    for name, load in data.DATASETS.items():
        with pytest.raises(SystemExit, match="0"):
            main(["prepare", name, "--help"])
        out = capsys.readouterr().out
        for option in set(inspect.signature(load).parameters) - {"root"}:
            assert f"--{option.replace('_', '-')}" in out


def test_workers_read_images_and_draw_people(capsys):
    for option in ("--workers", "--readers"):  # its earlier name, which help does not show
        given = f"evaluate synthetic --checkpoint a.pt {option} 2".split()
        assert make_parser().parse_args(given).workers == 2
    with pytest.raises(SystemExit, match="0"):
        main("evaluate synthetic --help".split())
    out = capsys.readouterr().out
    assert "--workers" in out and "--readers" not in out


@pytest.mark.parametrize(
    "command",
    [
        "evaluate cuhk03 nowhere --json",
        "search {image} --gallery nowhere --json",
        "search {image} --gallery nowhere --sheet",
        "search {image} --gallery nowhere --index",
        "calibrate cuhk03 nowhere --out",
        "verify {image} {image} --calibration nowhere --json",
    ],
)
def test_files_that_cannot_be_written_are_noticed_first(command, tmp_path, capsys):
    """Before the checkpoint, which does not exist either, is missed."""
    (tmp_path / "file").touch()
    for path, message in ((tmp_path / "file" / "out", "cannot be written"), (tmp_path, "it is a folder")):
        arguments = command.format(image=tmp_path / "file").split()
        assert main([*arguments, str(path), "--checkpoint", "nowhere.pt"]) == 1
        assert message in capsys.readouterr().err
