"""What the generators of documents have in common: write, or check that nothing would change."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def difference(path: Path, render: Callable[[], str]) -> str:
    """Return a unified diff between the file and what it should be; empty when they agree."""
    want = render()
    have = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(have.splitlines(True), want.splitlines(True), str(path), "generated", n=1)
    return "".join(lines)


def main_for(path: Path, render: Callable[[], str], description: str | None, argv: Sequence[str] | None = None) -> int:
    """Write ``path``, or with ``--check`` say how it differs; return the exit code."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the file differs")
    if not parser.parse_args(argv).check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(), encoding="utf-8")
        return 0
    found = difference(path, render)
    if found:
        sys.stderr.write(f"{found}\n{path} is out of date: run `make generate` and commit it\n")
    return 1 if found else 0
