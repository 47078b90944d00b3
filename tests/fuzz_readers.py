"""A coverage-guided fuzzer on the readers: changes that reach new lines of `rga` are kept, and changed again.

    pip install atheris
    python tests/fuzz_readers.py protocol.mat -max_total_time=600

The names are those of FILES in tests/faults/test_files.py, by which the first file is written, too; what follows a
name is for libFuzzer. It ends at the first error that is neither ValueError nor OSError, at a crash, after 5 seconds
or 2 GiB for one file, and leaves the bytes that led there. Atheris is no dependency: it has wheels for few systems.
"""

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
with atheris.instrument_imports(include=["rga"]):
    from faults.test_files import FILES


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in FILES:
        sys.exit(
            f"usage: python tests/fuzz_readers.py NAME [options of libFuzzer]; names: {', '.join(FILES)}"
        )
    name = sys.argv.pop(1)
    write, read = FILES[name]
    folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
    (folder / "corpus").mkdir()
    (folder / "read").mkdir()
    path = folder / "read" / name
    write(path)
    read(path)
    (folder / "corpus" / "whole").write_bytes(path.read_bytes())

    def once(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except (ValueError, OSError):
            pass

    limits = ["-timeout=5", "-rss_limit_mb=3000", f"-max_len={2 * path.stat().st_size + 1024}"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:], str(folder / "corpus")], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
