"""Build the site: python docs/site/build.py build/site gathers the pages and runs Sphinx on them, offline."""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from rga.io.atomic_write import atomic_folder  # noqa: E402

# What becomes a page, and what pages link to. The places stay as they are, so that relative links stay right.
GATHERED = [
    *("*.md", "*.cff", "*.toml", "*.yml", "*.txt", "LICENSE", "Makefile", "hubconf.py"),
    *("docs/*.md", "docs/api/*", "data/README.md", "notebooks/*.ipynb", "notebooks/*.md", "results/*"),
    *("rga/**/*.py", "bench/**/*.py", "bench/**/*.json", "tests/golden/*"),
]


def gather(folder: Path) -> None:
    """Copy the pages and the files that they link to into an empty folder, in their places."""
    for path in (path for pattern in GATHERED for path in ROOT.glob(pattern) if path.is_file()):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(HERE / "index.md", folder / "index.md")


def build(path: Path) -> None:
    """Build the site, then put it in the place of an older one; a warning of Sphinx is an error."""
    with TemporaryDirectory() as folder:
        pages, html = Path(folder, "pages"), Path(folder, "html")
        gather(pages)
        options = ["-W", "--keep-going", "--quiet", "-b", "html", "-c", HERE, "-d", f"{folder}/doctrees"]
        subprocess.run([sys.executable, "-m", "sphinx", *options, pages, html], check=True)
        for explorer in ROOT.glob("results/explorer.html"):
            shutil.copy(explorer, html / "results")
        with atomic_folder(path) as site:
            shutil.copytree(html, site, dirs_exist_ok=True)
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
