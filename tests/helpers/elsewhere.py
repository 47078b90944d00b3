"""Run Python where nothing of this clone is near: installed packages, but no editable install and no PYTHONPATH."""

import subprocess
import sys


def python(folder, code, *paths):
    """What `code`, run in `folder`, prints; paths: where to import from first. Any word on stderr is an error."""
    packages = [path for path in sys.path if path.endswith("-packages")]
    # -S: no .pth file is read, which is how an editable install makes itself known.
    start = f"import sys; sys.path[:0] = {[str(path) for path in paths]}; sys.path += {packages}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + code], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
