"""Write docs/settings.md, a table of all settings of a run, from the fields of the recipe."""

from pathlib import Path
from typing import get_type_hints

from rga.commands.train import flags
from rga.io.paths import ROOT
from rga.runs.recipe import Recipe
from rga.runs.recipes import RECIPES

PAGE = ROOT / "docs" / "settings.md"
START = """\
# Settings of a run

A setting has one name: a field of [`Recipe`](../rga/runs/recipe.py), a parameter of `notebooks/03_train.ipynb`
(`make train ARGS="-p epochs 40 -p out runs/long"`) and an option of `python -m rga train`; `rga.fit` takes those of the
loop by the same name. A setting that is not given is as the named recipe says: `quick`, `full` (the paper's) or `fast`
([rga/runs/recipes.py](../rga/runs/recipes.py)). A switch can also be turned off, as in `--no-compile`. Relative paths
start at the repository, on the command line at the working folder.

Written by `tests/store_settings.py`; what the settings do for speed and memory is in [training.md](training.md).

"""
BY_DEVICE = {
    ("quick", "precision"): "`bf16` where the device multiplies it, else `fp32`",
    ("fast", "graphs"): "`True` on one GPU, else `False`",
}


def page() -> str:
    recipes = {name: make() for name, make in RECIPES.items()}
    rows = [["setting", "option", *recipes, "meaning"], ["---"] * (len(recipes) + 3)]
    for name, hint in get_type_hints(Recipe, include_extras=True).items():
        option = f"`{flags(name)[0]}`" if name != "profile" else "`quick`, `full`, `fast`: the first argument"
        defaults = [
            BY_DEVICE.get((recipe, name), f"`{shown(getattr(recipes[recipe], name))}`") for recipe in recipes
        ]
        rows.append([f"`{name}`", option, *defaults, hint.__metadata__[0]])
    return START + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def shown(value: object) -> str:
    """A value as it is written in a notebook's cell or on the command line, the same on every machine."""
    if isinstance(value, Path):
        return value.relative_to(ROOT).as_posix()
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
