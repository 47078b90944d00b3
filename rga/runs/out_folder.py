"""The folder of a run: one run at a time writes into it, and no earlier run is replaced without a word."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rga.data import Splits
from rga.io.json_files import plain, read_json, write_json
from rga.runs.recipe import Recipe
from rga.training import checkpoint
from rga.training.log import Log

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SETTINGS = "settings.json"
# What says how a run is started, not what comes out.
HOW = ("resume", "overwrite")
_locked: set[Path] = set()  # by this process
NOTEBOOKS = {"03_train.part.ipynb", "03_train.ipynb"}  # of `make train`, which is there before the run


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process, which may do so more than once. Raises ValueError if another process does.

    The lock is on a file in it, and the kernel releases it when the process ends, however it ends. Processes that load
    images do not inherit it, which they would a lock by flock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _ignore(folder)
    if fcntl is None or folder in _locked:
        yield
        return
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise ValueError(
                f"another run is writing into {folder}: wait until it is done, or name another folder (out, --out)."
            ) from None
        except OSError:  # a file system without locks
            pass
        _locked.add(folder)
        try:
            yield
        finally:
            _locked.discard(folder)


def _ignore(folder: Path) -> None:
    """Let git ignore a new folder, wherever `out` has put it; one that holds anything else is left as it is."""
    if {file.name for file in folder.iterdir()} <= NOTEBOOKS:
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def check_free(recipe: Recipe, splits: Splits) -> None:
    """ValueError if there is an earlier run in the folder that this one would replace without having been told to.

    A run with the same settings on the same data that was trained to its end may be replaced, since the same command
    gives it again: the quick recipe, whose folder is always the same, is run again and again.
    """
    if recipe.overwrite or (recipe.resume and recipe.checkpoint.exists()):
        return
    if not (recipe.checkpoint.exists() or checkpoint.kept(recipe.checkpoint)):
        return
    if what := _not_trained_to_its_end(recipe.checkpoint) or _differences(recipe, splits):
        raise ValueError(
            f"{recipe.out} holds {what}, which would be replaced. To go on with it: resume=True (--resume true). To "
            "keep it: name another folder, out (--out). To replace it: overwrite=True (--overwrite)."
        )


def begin(recipe: Recipe, splits: Splits, resumed: bool, saved: bool) -> None:
    """Note the settings, and remove what would contradict the run that has now begun: its report is still to come.

    resumed: whether it goes on from the checkpoint in the folder; else all files of the earlier run go. saved: whether
    the checkpoint there is already one of this run.
    """
    names = ["metrics.json"]
    if not resumed:
        names += ["best.pt", "scores.json"] + [recipe.checkpoint.name] * (not saved)
        names += [file.name for file in checkpoint.kept(recipe.checkpoint)]
    for name in names:
        (recipe.out / name).unlink(missing_ok=True)
    write_json(recipe.out / SETTINGS, about(recipe, splits))


def about(recipe: Recipe, splits: Splits) -> dict:
    """The settings and data of a run, for files."""
    return {
        "settings": vars(recipe),
        "data": {"summary": str(splits).splitlines(), "missing": len(splits.missing)},
    }


def _not_trained_to_its_end(path: Path) -> str:
    """What to say of a checkpoint that is not of a whole training; "" for one that is."""
    try:
        log = Log(*checkpoint.load_training(path)["logs"][-1])
    except (OSError, ValueError, LookupError, TypeError):
        return "checkpoints that are not of a run trained to its end"
    return f"a run that was stopped after step {log.step} of {log.steps}" if log.step < log.steps else ""


def _differences(recipe: Recipe, splits: Splits) -> str:
    """What to say of a run with other settings or data; "" if there is no difference."""
    here = json.loads(json.dumps(about(recipe, splits), default=plain))
    for file in (
        recipe.out / SETTINGS,
        recipe.out / "metrics.json",
    ):  # an earlier version wrote only the second
        try:
            there = read_json(file, "the settings of a run")
            if isinstance(there.get("settings"), dict) and "data" in there:
                break
        except (OSError, ValueError):
            pass
    else:
        there = {"settings": {}, "data": None}
    differs = [
        f"{name} {there['settings'][name]!r} there, {value!r} here"
        for name, value in here["settings"].items()
        if name not in HOW and there["settings"].get(name, value) != value  # an earlier version lacks some
    ]
    if there["data"] != here["data"]:
        differs.append("other data")
    return f"a run with other settings ({'; '.join(differs)})" if differs else ""
