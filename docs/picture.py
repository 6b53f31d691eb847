"""Make README's picture: the first screen of a report, as Chromium shows it.

``nox -s picture -- RUN`` writes the report of a run, by default the latest, and takes docs/images/report.png of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tare.bench.analysis.report import report_run
from tare.results.storage.find import find_run

IMAGE = Path(__file__).parent / "images" / "report.png"
WIDTH, HEIGHT = 1080, 720
"""Size of the window in pixels: headline and matrix, and where the folded sections begin."""


def main(run: str = "latest", results: str = "results/runs") -> None:
    """Write the report into a folder that is removed again, and take its picture."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("picture: Chromium is not on PATH. Remedy: `apt-get install chromium`.")
    with tempfile.TemporaryDirectory() as folder:
        written = report_run(find_run(run, Path(results)), Path(folder))
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
        page = (
            f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={IMAGE}",
        )
        subprocess.run([browser, *options, *page, written.index.as_uri()], check=True, capture_output=True)
    print(IMAGE)


if __name__ == "__main__":
    main(*sys.argv[1:])
