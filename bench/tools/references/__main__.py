"""Write the pages of ``docs/reference`` and ``man``, or check that they are what the code would write.

``nox -s references`` writes them; with ``-- --check`` nothing is written, and a page that is not current fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tare.bench.tools.references.manual import manual_pages
from tare.bench.tools.references.pages import all_pages

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = {"docs/reference": all_pages, "man": manual_pages}
"""Folder below the root → maker of all its files."""
REMEDY = (
    "Remedy: `python -m tare.bench.tools.references` (or `nox -s references`), and commit what it writes."
)


def stale(root: Path = ROOT) -> list[str]:
    """List the pages that are missing, that the code would write otherwise, or that it does not write at all."""
    found = []
    for folder, make in FOLDERS.items():
        pages, where = make(), root / folder
        there = {path.name: path.read_text("utf-8") for path in where.iterdir()} if where.is_dir() else {}
        names = pages.keys() | there.keys()
        found += [f"{folder}/{name}" for name in names if pages.get(name) != there.get(name)]
    return sorted(found)


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check the pages; the exit code is 1 if a check finds a page that is not current."""
    parser = argparse.ArgumentParser(prog="references", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    old = stale(root)
    if parser.parse_args(argv).check:
        if old:
            print(f"references: not current: {', '.join(old)}. {REMEDY}", file=sys.stderr)
        return int(bool(old))
    wanted = {f"{folder}/{name}": text for folder, make in FOLDERS.items() for name, text in make().items()}
    for name in old:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in wanted:
            path.write_text(wanted[name], "utf-8")
        else:
            path.unlink()
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
