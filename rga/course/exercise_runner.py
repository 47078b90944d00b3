"""Run the exercises of one handed-in notebook, shut in: reads a job from stdin, writes a JSON line for each exercise.

Our set-up cell runs once; then each exercise in a child of its own, so that none takes another with it. Of the
notebook, only the cell that defines the exercise's name runs, and of that cell imports, definitions and assignments.
The checker sees nothing else of theirs. Started by rga.course.grade.
"""

import ast
import json
import os
import re
import select
import signal
import sys
import time
from pathlib import Path

from rga.course import sandbox
from rga.course.errors import describe
from rga.course.exercises.verdict import Verdict

MESSAGE = 2000  # characters
ANSWER_BYTES = 2**15
KEPT = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
NO_MEMORY = re.compile(r"MemoryError|can(?:'|no)t allocate memory|Unable to allocate", re.IGNORECASE)


def definition(cells: list[str], name: str) -> tuple[str | None, int]:
    """The last cell that defines name and is not the empty one; and how many such cells there are."""
    defining = [cell for cell in cells if re.search(rf"^(def|class)\s+{name}\b", cell, re.MULTILINE)]
    written = [cell for cell in defining if "raise NotImplementedError" not in cell]
    return ([None] + defining + written)[-1], len(written)


def judge(source: str, name: str, ours: str, namespace: dict) -> tuple[str, str]:
    """Verdict and message of our checker on their definition; whatever their code raises comes out."""
    code = ast.parse(
        re.sub(r"^[ \t]*[%!].*", "", source, flags=re.MULTILINE)
    )  # without IPython's own commands
    code.body = [node for node in code.body if isinstance(node, KEPT) or _assigns_names(node)]
    theirs = dict(namespace)
    exec(compile(code, "<handed in>", "exec"), theirs)
    cell = ast.parse(ours)
    *before, last = [node for node in cell.body if getattr(node, "name", None) != name]
    own = namespace | {name: theirs[name]}
    exec(compile(ast.Module(before, []), "<exercise>", "exec"), own)
    said = eval(compile(ast.Expression(last.value), "<exercise>", "eval"), own)
    kind = {"not written yet": "not written"}.get(Verdict(said).kind, Verdict(said).kind)
    if kind == "not yet" and NO_MEMORY.search(said):
        kind = "memory"
    return kind, "" if kind == "passed" else str(said)


def _assigns_names(node: ast.stmt) -> bool:
    targets = {ast.Assign: "targets", ast.AnnAssign: "target"}.get(type(node))
    found = getattr(node, targets) if targets else []
    return bool(found) and all(
        isinstance(t, ast.Name) for t in (found if isinstance(found, list) else [found])
    )


def attempt(job: dict, name: str, namespace: dict) -> tuple[str, str]:
    """Verdict and message of one exercise, from a child that may do anything but harm."""
    source, written = definition(job["cells"], name)
    if source is None:
        return "missing", f"no cell defines {name}"
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        _answer(job, name, source, namespace, writing)
    os.close(writing)
    answered = _read(reading, time.monotonic() + job["seconds"])
    os.kill(child, signal.SIGKILL)  # it may have stayed on
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(reading)
    verdict, message = _understood(answered, status, job["seconds"])
    if written > 1:
        message = f"{message} ({name} is defined {written} times: the last one counts)".strip()
    return verdict, message


def _answer(job: dict, name: str, source: str, namespace: dict, writing: int) -> None:
    """In the child: never returns."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)  # what they print is nobody's
        os.dup2(writing, pipe := 3)
        os.closerange(pipe + 1, 4096)
        sandbox.limit(job["seconds"], job["memory"])
        sandbox.drop_privileges()
        try:
            answer = judge(source, name, job["exercises"][name], namespace)
        except MemoryError:
            answer = "memory", "more than is allowed"
        except BaseException as error:  # SystemExit, too
            answer = "memory" if NO_MEMORY.search(str(error)) else "error", describe(error)
        verdict, message = answer
        os.write(pipe, json.dumps([verdict, message[:MESSAGE]]).encode())
    finally:
        os._exit(0)


def _read(pipe: int, deadline: float) -> bytes | None:
    """All that is written until the end, as much as an answer may have; None after the deadline."""
    found = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            more = os.read(pipe, ANSWER_BYTES)
            found += more
            if not more or len(found) >= ANSWER_BYTES:
                return found
    return None


def _understood(answered: bytes | None, status: int, seconds: float) -> tuple[str, str]:
    late = "timeout", f"more than {seconds:g} s"
    if answered is None or status == -signal.SIGXCPU:
        return late
    try:
        verdict, message = json.loads(answered)
        return str(verdict), str(message)
    except (ValueError, TypeError):
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return "error", f"it ended before the checker could answer ({how})"


def main() -> None:
    job, report = json.load(sys.stdin), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # the set-up cell prints
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one signal that a child could send here
    if job["isolated"]:
        sandbox.shut_in(Path(job["scratch"]), Path(job["hidden"]) if job["hidden"] else None)
    os.chdir(job["scratch"])
    namespace = {"__name__": "__main__"}
    for source in job["setup"]:
        exec(compile(source, "<set-up>", "exec"), namespace)
    for name in job["exercises"]:
        start = time.monotonic()
        verdict, message = attempt(job, name, namespace)
        seconds = round(time.monotonic() - start, 1)
        print(
            json.dumps({"exercise": name, "verdict": verdict, "message": message, "seconds": seconds}),
            file=report,
        )
        report.flush()


if __name__ == "__main__":
    main()
