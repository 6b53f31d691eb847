"""Open pages in Chromium at several widths, and collect what it finds: overflow, errors, violations of accessibility rules.

axe-core is no part of this repository: `nox -s browser` fetches it from npm's registry and names it by ``TARE_AXE``.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

WIDTHS = (1300, 768, 390)
HEIGHT = 844
"""Height of a phone's window, in pixels."""

PROBE = r"""
const spot = (one) => [one.tagName, one.getAttribute("class"), (one.textContent || "").trim().slice(0, 40)].join(" ");
const wide = () => [...document.body.querySelectorAll("*")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !one.closest(".scroll, pre, .skip, svg");
}).map(spot);
const inView = (one) => one && one.getBoundingClientRect().top >= 0 && one.getBoundingClientRect().bottom <= innerHeight;
addEventListener("load", async () => {
  const found = { width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches };
  found.headline = inView(document.querySelector("h1"));
  found.row = inView(document.querySelector("table.matrix tbody tr:not(:first-child)"));
  // The way of a phone: how much of the matrix one sees without scrolling.
  found.cards = [...document.querySelectorAll("table.matrix tbody tr")].filter((one) => one.getBoundingClientRect().height).map(inView);
  found.folded = wide();
  const matrix = document.querySelector("table.matrix");
  found.beyond = matrix ? matrix.closest(".scroll").scrollWidth - matrix.closest(".scroll").clientWidth : 0;
  if (innerWidth === 768) {
    // The printer does not wait: what is folded is laid out when it asks.
    dispatchEvent(new Event("beforeprint"));
    found.unprinted = document.querySelectorAll("pre.sheet").length;
  }
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  await new Promise((done) => setTimeout(done, 200));
  found.unfolded = wide();
  found.scrolls = document.documentElement.scrollWidth - innerWidth;
  const verdict = document.querySelector("#overhead table.data tbody tr > :last-child");
  found.verdict = !verdict || verdict.getBoundingClientRect().right <= verdict.closest(".scroll").getBoundingClientRect().right + 1;
  // Letters are as large as the figure is drawn; those of the figure for another width are not shown at all.
  found.letters = [...document.querySelectorAll(".fig text")].map((one) => {
    const drawn = one.ownerSVGElement.getBoundingClientRect().width;
    return drawn && parseFloat(getComputedStyle(one).fontSize) * drawn / one.ownerSVGElement.viewBox.baseVal.width;
  }).filter(Boolean);
  found.letters = found.letters.length ? Math.min(...found.letters) : null;
  found.sheets = document.querySelectorAll("pre.sheet").length;
  found.names = [...document.querySelectorAll("table.laid tbody th")].map((one) => one.className);
  found.ditto = document.querySelector("main").textContent.includes("〃");
  found.tables = document.querySelectorAll("table.data").length;
  found.bars = document.querySelectorAll(".bar").length;
  // Only columns of runners are chosen from, whatever the second column of a table holds.
  const offered = [...document.querySelectorAll(".bar select")].flatMap((one) => [...one.options].map((each) => each.value));
  found.choices = offered.filter((each) => /\d+ (ms|µs|ns)$/.test(each));
  const search = document.querySelector("#overhead .bar input");
  if (search) {
    const rows = [...document.querySelector("#overhead table.data").tBodies[0].rows];
    search.value = "namespaces cpu-all";
    search.oninput();
    found.filtered = rows.filter((row) => !row.hidden).map((row) => row.dataset.key);
    search.value = "";
    search.oninput();
    const family = document.querySelector("#overhead .bar select");
    found.families = [...family.options].map((one) => one.value).filter(Boolean);
    family.value = found.families.at(-1);
    family.onchange();
    found.family = rows.filter((row) => !row.hidden).map((row) => row.dataset.key.split("|")[0]);
    family.value = "";
    family.onchange();
    document.execCommand = () => { found.copied.push(document.querySelector("body > textarea").value); };
    found.copied = [];
    [...document.querySelectorAll("#overhead .bar button")].slice(0, 2).forEach((one) => one.onclick());
    document.querySelectorAll("#overhead table.data thead button")[4].onclick();
    found.sorted = [...document.querySelector("#overhead table.data").tBodies[0].rows].map((row) => Number(row.cells[4].dataset.value));
  }
  if (typeof axe !== "undefined") {
    const told = await axe.run(document, { resultTypes: ["violations"] });
    const excerpt = (one) => one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
    found.violations = told.violations.map((one) => `${one.id}: ${excerpt(one)}`);
  }
  parent.postMessage(JSON.stringify(found), "*");
});
"""

HARNESS = r"""<!doctype html><meta charset="utf-8"><title>frames</title><style>iframe{border:0}</style>%s<pre id="found"></pre>
<script>
const found = [];
addEventListener("message", (event) => {
  found.push(JSON.parse(event.data));
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What Chromium found on a page at one width."""

    facts: dict[str, Any]

    @property
    def width(self) -> int:
        """Width of the window, in pixels."""
        return int(self.facts["width"])


def chromium() -> str | None:
    """Find Chromium or Chrome; ``None`` if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("TARE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def axe() -> str:
    """Read axe-core from where ``TARE_AXE`` names it; empty if it does not."""
    named = os.environ.get("TARE_AXE")
    return Path(named).read_text("utf-8") if named else ""


def run_chromium(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Chromium without a window and without a network, in a profile of its own."""
    found = chromium()
    assert found is not None
    home = folder / "profile"
    shutil.rmtree(home, ignore_errors=True)
    command = [
        found, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={home}", *options,
    ]  # fmt: skip
    environment = os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment, errors="replace"
    )


def look(page: Path, folder: Path, mode: Literal["light", "dark"]) -> list[Seen]:
    """Open a page at all widths at once, each in a frame of its own, and run the probe in it.

    The probe is a second script, so the frames' copies have no policy; :func:`complaints` opens the page as it is.
    """
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    # Inserted before the page's own script, so that nothing of the page is measured before the probe listens.
    probed = text.replace("</head>", f"<script>{axe()}</script><script>{PROBE}</script></head>", 1)
    frames = "".join(
        f'<iframe width="{width}" height="{HEIGHT}" srcdoc="{html.escape(probed, quote=True)}"></iframe>'
        for width in WIDTHS
    )
    harness = folder / "frames.html"
    harness.write_text(HARNESS % frames, "utf-8")
    dark = (
        ["--blink-settings=preferredColorScheme=0"]
        if mode == "dark"
        else ["--blink-settings=preferredColorScheme=1"]
    )
    done = run_chromium(
        folder,
        *dark,
        "--window-size=1400,3000",
        "--virtual-time-budget=20000",
        "--dump-dom",
        harness.as_uri(),
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return [Seen(one) for one in json.loads(html.unescape(found[1]) or "[]")]


def complaints(page: Path, folder: Path) -> list[str]:
    """Open a page as it is, and give what Chromium writes to its console, refused scripts and styles included."""
    done = run_chromium(
        folder,
        "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=3000",
        "--dump-dom",
        f"{page.as_uri()}#host",
    )
    assert "<h1>" in done.stdout
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def printed(page: Path, folder: Path) -> Path:
    """Print a page to a PDF file."""
    target = folder / "page.pdf"
    run_chromium(
        folder,
        "--no-pdf-header-footer",
        "--virtual-time-budget=3000",
        f"--print-to-pdf={target}",
        page.as_uri(),
    )
    return target
