"""Open pages in one Chromium at several widths, light, dark and for the printer, and collect what it finds.

Chromium is spoken to by its DevTools protocol over two pipes. axe-core is no part of this repository: `nox -s browser`
fetches it from npm's registry and names it by ``TARE_AXE``.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Mode = Literal["light", "dark"]
MODES: tuple[Mode, ...] = ("light", "dark")

WIDTHS = (1300, 768, 390)
HEIGHT = 844
"""Height of a phone's window, in pixels."""
PAPER = 718
"""Width of what is printed on A4 between Chromium's margins, in pixels of CSS."""
MARGIN = 0.4
"""Chromium's usual margins on paper, in inches."""

HELPERS = r"""
const spot = (one) => [one.tagName, one.getAttribute("class"), (one.textContent || "").trim().slice(0, 40)].join(" ");
const shown = (one) => { const box = one.getBoundingClientRect(); return box.width && box.height; };
const wide = (but) => [...document.body.querySelectorAll("*")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !one.closest(but);
}).map(spot);
const inView = (one) => one && one.getBoundingClientRect().top >= 0 && one.getBoundingClientRect().bottom <= innerHeight;
// What a reader of a table sees of a cell without scrolling sideways.
const within = (one) => one.getBoundingClientRect().right <= one.closest(".scroll").getBoundingClientRect().right + 1;
// Words that are parted over two lines, but for those that no line has room for.
const broken = () => {
  const found = [], range = document.createRange(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("script, style, svg, pre")) continue;
    for (const word of node.data.matchAll(/[\p{L}\p{N}]{2,}/gu)) {
      if (word[0].length > 30) continue;
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter((one) => one.width).map((one) => Math.round(one.top)));
      if (lines.size > 1) found.push(word[0]);
    }
  }
  return found;
};
"""
"""Functions for what is evaluated on a page."""

UNFOLD = """
document.querySelectorAll("details").forEach((one) => { one.open = true; });
await new Promise((done) => setTimeout(done, 50));
"""

THINNED = """
for (const table of document.querySelectorAll("table")) {
  const seen = new Set();
  for (const row of [...table.tBodies[0].rows]) {
    const shape = [...row.cells].map((cell) => cell.className + [...cell.children].map((one) => one.tagName + one.className)).join();
    if (seen.has(shape)) row.remove();
    seen.add(shape);
  }
}
"""

LEVELS = (*(f"wcag{version}{level}" for version in ("2", "21", "22") for level in ("a", "aa", "aaa")), "best-practice")  # fmt: skip
"""Tags of axe-core's rules: all levels of the accessibility guidelines, and what is good practice beyond them."""
CONTRAST = ("color-contrast", "color-contrast-enhanced")
"""Rules of axe-core about colours, the only ones that differ between light and dark."""


class Browser:
    """Hold a Chromium without a window and without a network, and the one page that it shows."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = os.fdopen(to, "wb"), os.fdopen(back, "rb")
        self._sent, self._rest = 0, b""
        self._session = ""
        self.complaints: list[str] = []
        """What stands in the console of the page that was opened last: errors, and what its policy refused."""
        self._loaded = False
        target = self._tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._tell(f"{domain}.enable")

    def close(self) -> None:
        """End Chromium."""
        self._session = ""
        self._tell("Browser.close")
        self._to.close()
        self._back.close()

    def open(self, page: Path, width: int, mode: Mode = "light", media: str = "screen") -> None:
        """Open a page as it is, policy and all, in a window of that width."""
        self.complaints, self._loaded = [], False
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.paint(mode, media)
        failed = self._tell("Page.navigate", url=page.as_uri()).get("errorText")
        assert not failed, failed
        while not self._loaded:
            self._read()

    def paint(self, mode: Mode, media: str = "screen") -> None:
        """Prefer light or dark from now on, on the screen or for the printer."""
        preferred = [{"name": "prefers-color-scheme", "value": mode}]
        self._tell("Emulation.setEmulatedMedia", media=media, features=preferred)

    def evaluate(self, script: str) -> Any:
        """Evaluate an expression on the page and wait for what it promises. The page's policy does not concern it."""
        found = self._tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, str(found)[:1000]
        return found["result"].get("value")

    def look(self, body: str) -> Any:
        """Run the body of a function on the page, with :data:`HELPERS`, and give what it returns."""
        return self.evaluate(f"(async () => {{ {HELPERS} {body} }})()")

    def violations(self, *rules: str) -> list[str]:
        """Have axe-core judge the page by the rules, by default those of all levels; nothing without axe-core.

        It takes a while for each row, so rows that differ from an earlier one of their table by their texts alone are taken out.
        """
        if not axe():
            return []
        if not self.evaluate("typeof axe !== 'undefined'"):
            self.evaluate(f"{axe()}; 0")
            self.look(THINNED)
        only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": LEVELS}
        options = json.dumps({"resultTypes": ["violations"], "runOnly": only})
        told = self.evaluate(f"axe.run(document, {options}).then((told) => told.violations)")
        return [
            f"{one['id']}: " + " | ".join(node["html"][:160] for node in one["nodes"][:3]) for one in told
        ]

    def printed(self) -> bytes:
        """Print the page on A4 as a PDF file."""
        self.paint("light", "print")
        margins = {f"margin{side}": MARGIN for side in ("Top", "Bottom", "Left", "Right")}
        told = self._tell(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False, **margins
        )
        return base64.b64decode(told["data"])

    def photographed(self) -> bytes:
        """Give the whole page, as high as it is, as a PNG file."""
        told = self._tell("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(told["data"])

    def _tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and read until it is answered."""
        self._sent += 1
        command = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        self._to.write(json.dumps(command).encode() + b"\0")
        self._to.flush()
        while (message := self._read()).get("id") != self._sent:
            pass
        assert "error" not in message, f"{method}: {message['error']}"
        result: dict[str, Any] = message["result"]
        return result

    def _read(self) -> dict[str, Any]:
        """Read the next message; what it tells of the page is kept."""
        while b"\0" not in self._rest:
            more = os.read(self._back.fileno(), 1 << 20)
            assert more, "Chromium has ended"
            self._rest += more
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        told = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled":
                self.complaints.append(f"{told['type']}: {told['args']}")
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"])[:500])
            case "Log.entryAdded":
                self.complaints.append(f"{told['entry']['level']}: {told['entry']['text']}")
        return message


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """Start Chromium with a profile of its own below a folder, and end it afterwards."""
    found = chromium()
    assert found is not None
    command = [
        found, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}",
    ]  # fmt: skip
    environment = os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
    (inside, to), (back, outside) = os.pipe(), os.pipe()
    # Chromium reads commands from file 3 and answers on file 4.
    script = f'exec "$@" 3</dev/fd/{inside} 4>/dev/fd/{outside} 2>/dev/null'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *command], env=environment, pass_fds=(inside, outside)
    )
    os.close(inside)
    os.close(outside)
    try:
        browser = Browser(to, back)
        yield browser
        browser.close()
    finally:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def chromium() -> str | None:
    """Find Chromium or Chrome; ``None`` if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("TARE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@cache
def axe() -> str:
    """Read axe-core from where ``TARE_AXE`` names it; empty if it does not."""
    named = os.environ.get("TARE_AXE")
    return Path(named).read_text("utf-8") if named else ""
