"""Draw flame graphs as SVG: of one profile, or of two with each frame coloured by the change of its share.

The figures are complete files of text, without scripts. Each frame has a ``<title>`` that says what its width and its colour
stand for. In a differential graph a frame is as wide as the mean of its two shares, so that nothing of either profile is lost.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tare.reports.summaries.profiles import ALL, FEW_SAMPLES, PROCESS, change, merged
from tare.results.printable import legible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.summaries.profiles import Change, Node, Profile
    from tare.reports.text.words import Words

WIDTH = 1200
"""Width in user units; viewers scale it."""
DEEPEST = 150
"""Rows drawn; what is deeper is left out, and the figure says so."""

_MARGIN = 10
_ROW = 18
_NARROWEST = 0.4
_LETTER = 6.7
_LINE = 17
_FULL_POINTS = 20.0
"""Change of a share, in percentage points, from which on the colour is full."""

_PAPER, _INK, _EDGE = "#ffffff", "#1b2027", "#ffffff"
_GREY, _WIDER, _NARROWER = (221, 225, 230), (222, 108, 52), (74, 140, 204)
_PROCESS_FILL = "#c9d3df"
_FUNCTION_FILLS = ("#f6c177", "#f2b387", "#eda96a", "#f4cf9a", "#e9b872")


@dataclass(frozen=True, slots=True)
class _Box:
    """A frame in the figure."""

    node: Node
    row: int
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class _Figure:
    """Hold what each frame of a figure is told with."""

    root: Node
    pair: tuple[Profile, Profile] | None
    """The two profiles of a differential graph."""
    words: Words

    def named(self, node: Node) -> str:
        """Name a frame: the root and processes have names of the suite's, functions their own."""
        if node.name == ALL:
            return self.words("flame.all")
        if node.name.startswith(PROCESS):
            return self.words("flame.process", name=node.name.removeprefix(PROCESS))
        return node.name


def flame_graph(profile: Profile, name: str, words: Words) -> str:
    """Draw one profile of a workload, which is not empty; the root is at the top."""
    root = merged(profile, profile)
    facts = [_facts(profile, words), *_warnings((profile,), words)]
    title = words("flame.title", name=name, runner=profile.label)
    return _draw(title, facts, _Figure(root, None, words))


def differential(base: Profile, other: Profile, name: str, words: Words) -> str:
    """Draw two profiles of a workload, neither of which is empty, coloured by the change from the first to the second."""
    root = merged(base, other)
    rough = 100 * 1.96 * math.sqrt(0.25 * (1 / base.samples + 1 / other.samples))
    facts = [
        _facts(base, words),
        _facts(other, words),
        words("flame.colours", other=other.label),
        words("flame.shares", points=f"{rough:.1f}"),
        *_warnings((base, other), words),
    ]
    title = words("flame.title_of_two", name=name, base=base.label, other=other.label)
    return _draw(title, facts, _Figure(root, (base, other), words))


def _facts(profile: Profile, words: Words) -> str:
    return words(
        "flame.facts", label=profile.label, samples=profile.samples, rate=profile.rate_hz,
        processes=profile.processes, rounds=profile.rounds,
    )  # fmt: skip


def _warnings(profiles: tuple[Profile, ...], words: Words) -> list[str]:
    few = [one.label for one in profiles if one.samples < FEW_SAMPLES]
    return [words("flame.few", labels=", ".join(few), least=FEW_SAMPLES)] if few else []


def _boxes(root: Node) -> Iterator[_Box]:
    """Lay out the frames, outer ones before inner ones, without recursion since stacks can be deep."""
    scale = WIDTH - 2 * _MARGIN
    waiting = [_Box(root, 0, _MARGIN, scale)]
    while waiting:
        box = waiting.pop()
        yield box
        left = box.left
        for _, node in sorted(box.node.inner.items()):
            width = scale * (node.base / root.base + node.other / root.other) / 2
            if width >= _NARROWEST:
                waiting.append(_Box(node, box.row + 1, left, width))
            left += width


def _draw(title: str, facts: list[str], figure: _Figure) -> str:
    boxes = list(_boxes(figure.root))
    depth = max(box.row for box in boxes) + 1
    if depth > DEEPEST:
        facts = [*facts, figure.words("flame.deep", n=depth - DEEPEST, total=depth)]
    head = [line for fact in facts for line in _wrapped(fact)]
    top = 34 + _LINE * len(head)
    height = top + _ROW * min(depth, DEEPEST) + _MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="100%" role="img" '
            'font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">'
        ),
        f"<title>{_text(title)}</title>",
        "<style>g:hover rect { stroke: #1b2027; }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="{_PAPER}"/>',
        f'<text x="{_MARGIN}" y="22" font-size="15" font-weight="bold" fill="{_INK}">{_text(title)}</text>',
    ]
    parts += [
        f'<text x="{_MARGIN}" y="{22 + _LINE * number}" fill="{_INK}">{_text(line)}</text>'
        for number, line in enumerate(head, 1)
    ]
    parts += [_frame(box, figure, top) for box in boxes if box.row < DEEPEST]
    return "\n".join([*parts, "</svg>", ""])


def _frame(box: _Box, figure: _Figure, top: int) -> str:
    found = change(box.node, figure.root) if figure.pair else None
    y = top + _ROW * box.row
    label = _fitting(_labelled(figure.named(box.node), found), box.width - 6)
    text = f'<text x="{box.left + 3:.1f}" y="{y + 13}" fill="{_INK}">{_text(label)}</text>' if label else ""
    return (
        f"<g><title>{_text(_told(box.node, figure))}</title>"
        f'<rect x="{box.left:.1f}" y="{y}" width="{max(box.width - 0.3, 0.2):.1f}" height="{_ROW - 1}" rx="1" '
        f'fill="{_fill(box.node, found)}" stroke="{_EDGE}" stroke-width="0.5"/>{text}</g>'
    )


def _labelled(name: str, found: Change | None) -> str:
    """Put the change in front of the name, so that it does not take colours to see it."""
    return f"{_signed(found.points)} {name}" if found and found.seen else name


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")


def _told(node: Node, figure: _Figure) -> str:
    words, name = figure.words, figure.named(node)
    share = words(
        "flame.share", share=f"{100 * node.base / figure.root.base:.1f}", n=node.base, total=figure.root.base
    )
    if figure.pair is None:
        return words("flame.told", name=name, share=share)
    found = change(node, figure.root)
    other = words(
        "flame.share",
        share=f"{100 * node.other / figure.root.other:.1f}",
        n=node.other,
        total=figure.root.other,
    )
    return words(
        "flame.told_of_two" if found.seen else "flame.told_by_chance", name=name, base=figure.pair[0].label, share=share,
        other=figure.pair[1].label, other_share=other, points=_signed(found.points), noise=f"{found.noise_points:.1f}",
    )  # fmt: skip


def _fill(node: Node, found: Change | None) -> str:
    if found is None:
        if node.name.startswith(PROCESS) or node.name == ALL:
            return _PROCESS_FILL
        return _FUNCTION_FILLS[sum(map(ord, node.name)) % len(_FUNCTION_FILLS)]
    if not found.seen:
        return _hex(_GREY)
    strength = 0.35 + 0.65 * min(abs(found.points) / _FULL_POINTS, 1.0)
    target = _WIDER if found.points > 0 else _NARROWER
    return _hex(tuple(round(a + (b - a) * strength) for a, b in zip(_GREY, target, strict=True)))


def _hex(color: tuple[int, ...]) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)


def _fitting(text: str, width: float) -> str:
    """Shorten a text to what fits into a width; empty if too little of it would."""
    room = int(width / _LETTER)
    if room < 3:
        return ""
    wide = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text]
    if sum(wide) <= room:
        return text
    kept = used = 0
    while kept < len(text) and used + wide[kept] <= room - 1:
        used += wide[kept]
        kept += 1
    return text[:kept] + "…"


def _wrapped(text: str) -> Iterator[str]:
    """Break a text into lines that are as wide as the figure."""
    room = int((WIDTH - 2 * _MARGIN) / _LETTER)
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > room:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


def _text(text: str) -> str:
    """Escape a text for XML, and replace what XML or a line cannot show."""
    return escape(legible(text))
