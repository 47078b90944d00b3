"""A run repeated from its file: the same recipe, what is not the same here, and how the scores compare."""

import json
from pathlib import Path

from rga.data import Splits
from rga.device import distributed
from rga.io.json_files import plain
from rga.runs import out_folder
from rga.runs.recipe import Recipe
from rga.runs.recipes import get_recipe

# How a run is started and where it writes: not taken over.
NOT_TAKEN = {"out", *out_folder.HOW}
# What of the provenance may change a number.
CODE = ("rga", "commit", "dirty", "python", "torch", "torchvision", "system", "device", "threads")


def read(file: Path) -> dict:
    """The metrics.json or settings.json of a run. Raises FileNotFoundError, and ValueError for any other file."""
    if not file.is_file():
        raise FileNotFoundError(
            f"expected the metrics.json or settings.json of a run at {file}, found no file: check the path."
        )
    try:
        earlier = json.loads(file.read_text(encoding="utf-8"))
        if "profile" in earlier["settings"] and "summary" in earlier["data"]:
            return earlier
    except (ValueError, LookupError, TypeError):
        pass
    raise ValueError(
        f"{file} is not of a run: expected the metrics.json or settings.json that python -m rga train or notebook 03 "
        "wrote, with settings and data."
    )


def recipe_like(file: Path, earlier: dict, **changes: object) -> Recipe:
    """The recipe of an earlier run with some fields changed; a field that it lacks is as its named recipe has it.

    Its folder is not taken over: `out` is that of the named recipe. Raises ValueError if this is the earlier run's,
    which would be replaced, and for values that this version does not have.
    """
    settings = earlier["settings"]
    taken = {name: settings[name] for name in settings.keys() & _fields() - NOT_TAKEN}
    recipe = get_recipe(**taken | changes)
    folders = file.resolve().parent, Path(settings.get("out", file)).resolve()
    if recipe.out.exists() and recipe.out.resolve() in folders:
        raise ValueError(
            f"{recipe.out} is the folder of the earlier run, which is to stay: name another by --out. To go on with "
            "that run or to replace it, give its own command again with --resume true or --overwrite."
        )
    return recipe


def changed_settings(earlier: dict, recipe: Recipe) -> list[str]:
    """Settings that are not those of the earlier run, a few words each: changed, not recorded, or no longer known."""
    there, here = earlier["settings"], json.loads(json.dumps(vars(recipe), default=plain))
    words = [f"{name} {there[name]!r} there, unknown here" for name in sorted(there.keys() - _fields())]
    for name in (name for name in here if name not in NOT_TAKEN):
        if name not in there:
            words.append(f"{name} not recorded there, {here[name]!r} here")
        elif there[name] != here[name]:
            words.append(f"{name} {there[name]!r} there, {here[name]!r} here")
    return words


def changed_surroundings(earlier: dict, recipe: Recipe, splits: Splits, provenance: dict) -> list[str]:
    """What else is not as in the earlier run and may change a number, as far as its file records it.

    provenance: of this run, by `rga.io.provenance.provenance`. A settings.json records the data alone.
    """
    there, here = (data["summary"] for data in (earlier["data"], out_folder.about(recipe, splits)["data"]))
    words = []
    if there != here:
        lines = [
            " / ".join(line for line in one if line not in other)
            for one, other in ((there, here), (here, there))
        ]
        words.append("data {!r} there, {!r} here".format(*lines))
    recorded = earlier.get("provenance", {}) | {"processes": earlier.get("processes")}
    now = provenance | {"processes": distributed.world_size()}
    for name in (*CODE, "processes"):
        if recorded.get(name) not in (None, now[name]):
            words.append(f"{name} {recorded[name]} there, {now[name]} here")
    if recorded.get("dirty"):
        words.append("uncommitted changes there")
    return words


def compare(file: Path, earlier: dict, report: dict) -> str:
    """A line: the scores of this run, by its report (`rga.runs.report`), beside those of the earlier one."""
    if not {"before_neck", "after_neck"} <= earlier.keys() & report.keys():
        return f"no scores to compare: {file} has none, or this run"
    necks = [(earlier[neck], report[neck]) for neck in ("before_neck", "after_neck")]
    same = all(there[name] == here[name] for there, here in necks for name in there.keys() & here.keys())
    there, here = necks[1]
    scores = [
        f"{words} {100 * here[name]:.2f} % here, {100 * there[name]:.2f} % there"
        for words, name in (("rank-1", "rank1"), ("mAP", "mAP"))
    ]
    return f"beside {file}: {'; '.join(scores)}; {'the same to the last digit' if same else 'not the same'}"


def _fields() -> set[str]:
    return set(Recipe.__dataclass_fields__)
