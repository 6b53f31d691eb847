"""Write the pages of ``docs/reference``, or check that they are what the code would write.

``nox -s references`` writes them; with ``-- --check`` nothing is written, and a page that is not current fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tare.bench.tools.references.pages import all_pages

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "reference"
REMEDY = (
    "Remedy: `python -m tare.bench.tools.references` (or `nox -s references`), and commit what it writes."
)


def stale(folder: Path = FOLDER) -> list[str]:
    """List the pages that are missing, that the code would write otherwise, or that it does not write at all."""
    pages = all_pages()
    there = {path.name: path.read_text("utf-8") for path in folder.iterdir()} if folder.is_dir() else {}
    return sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))


def main(argv: list[str] | None = None) -> int:
    """Write or check the pages; the exit code is 1 if a check finds a page that is not current."""
    parser = argparse.ArgumentParser(prog="references", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    old = stale()
    if parser.parse_args(argv).check:
        if old:
            print(f"references: not current: {', '.join(old)}. {REMEDY}", file=sys.stderr)
        return int(bool(old))
    FOLDER.mkdir(parents=True, exist_ok=True)
    pages = all_pages()
    for name in old:
        if name in pages:
            (FOLDER / name).write_text(pages[name], "utf-8")
        else:
            (FOLDER / name).unlink()
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
