"""A measurement in a process of its own, whose peak memory is then the measurement's alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run_script(script, *arguments, package=ROOT, **environment):
    """Run a script in a new Python; returns the JSON on the last line that it prints.

    `package` is the folder that rga is imported from, `environment` what is changed in os.environ. Raises
    CalledProcessError if the script fails, with its traceback on stderr.
    """
    command = [sys.executable, script, *map(str, arguments)]
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "PYTHONPATH": path} | environment
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    return json.loads(done.stdout.splitlines()[-1])
