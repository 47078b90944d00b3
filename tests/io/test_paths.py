"""Places: the repository, or the working folder of an installed package."""

import runpy
import shutil
from pathlib import Path

from rga import places


def test_in_a_clone_it_is_the_repository():
    assert (places.ROOT / "notebooks").is_dir() and (places.ROOT / "rga" / "places.py").samefile(
        places.__file__
    )


def test_installed_it_is_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "site-packages" / "rga").mkdir(parents=True)
    installed = shutil.copy(places.__file__, tmp_path / "site-packages" / "rga")
    monkeypatch.chdir(tmp_path)
    assert runpy.run_path(installed)["ROOT"] == Path.cwd() == tmp_path
