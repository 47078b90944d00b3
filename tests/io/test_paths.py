"""Places: the repository, or the working folder of an installed package."""

import runpy
import shutil
from pathlib import Path

from rga.io import paths


def test_in_a_clone_it_is_the_repository():
    assert (paths.ROOT / "notebooks").is_dir() and (paths.ROOT / "rga" / "io" / "paths.py").samefile(
        paths.__file__
    )


def test_installed_it_is_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "site-packages" / "rga" / "io").mkdir(parents=True)
    installed = shutil.copy(paths.__file__, tmp_path / "site-packages" / "rga" / "io")
    monkeypatch.chdir(tmp_path)
    assert runpy.run_path(installed)["ROOT"] == Path.cwd() == tmp_path
