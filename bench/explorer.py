"""Make results/explorer.html, a small explorer of drawn people, and results/explorer.gif, which shows it being used.

The networks are those of notebook 02, section 5. Five minutes on two cores; the picture needs Chromium.

    python bench/explorer.py
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from PIL import Image

import rga
from rga import data, models, plot
from rga.io.paths import ROOT
from rga.runs import recipes

PEOPLE = {"her bag": 8, "rucksack": 58, "white cap": 41}  # of the queries
PLACES = [(2, 4), (5, 4), (10, 7), (9, 3), (14, 5), (5, 0)]  # hair, jacket, bag, skirt, leg, wall
SIZE = (1200, 810)  # of the picture, before it is made smaller


def networks(splits: data.Splits) -> dict[str, models.ReIDModel]:
    """Non-local and RGA-SC, trained as in notebook 02."""
    recipe = recipes.get_recipe(
        profile="quick", epochs=8, lr=8e-4, dataset="synthetic", root=None, schedule="short"
    )
    settings = {name: getattr(recipe, name) for name in ("epochs", "p", "k", "lr", "seed", "precision")}
    found = {}
    for name, attention in {"non-local": "non_local", "RGA-SC": "rga_sc"}.items():
        torch.manual_seed(recipe.seed)
        options = {"num_pids": splits.num_pids, "size": recipe.size, "init_gates": "identity"}
        network = models.create_model(recipe.backbone, attention, **options)
        for log in rga.fit(network, splits.train, schedule=recipe.make_schedule, cache=True, **settings):
            if log.step % 9 == 0:
                print(f"{name}: step {log.step} of {log.steps}", flush=True)
        found[name] = network.eval()
    return found


def page(found: dict[str, models.ReIDModel], splits: data.Splits) -> plot.explorer_page.Page:
    pictures = data.stack_images([splits.query[i].path for i in PEOPLE.values()], found["RGA-SC"].size)
    return plot.explorer(found, pictures, list(PEOPLE), channels=16)


def picture(file: Path, to: Path) -> None:
    """An animation of the page with the cursor on one place after another."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=3000"]
        flags += [f"--user-data-dir={folder}/profile", f"--window-size={SIZE[0]},{SIZE[1] + 100}"]
        for row, column in PLACES:
            shot, address = f"{folder}/{row}-{column}.png", f"#stage=1&row={row}&column={column}&theme=light"
            command = [browser, *flags, f"--screenshot={shot}", file.resolve().as_uri() + address]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            whole = Image.open(shot).convert("RGB").crop((0, 0, *SIZE))
            frames.append(whole.resize((880, 880 * SIZE[1] // SIZE[0]), Image.Resampling.LANCZOS))
    colours = frames[2].quantize(96)
    first, *rest = (frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames)
    first.save(to, save_all=True, append_images=rest, duration=1500, loop=0, optimize=True)


if __name__ == "__main__":
    people = data.load("synthetic")
    saved = page(networks(people), people).save(ROOT / "results/explorer.html")
    picture(saved, ROOT / "results/explorer.gif")
    for path in (saved, ROOT / "results/explorer.gif"):
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")
