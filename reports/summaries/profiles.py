"""Read sampled profiles, and put two of them into one tree of frames.

A stack starts with the processes, outermost first, and goes on with their functions. Whatever differs between runs or places
without being another program is taken out of the names: process ids, long numbers such as ports, and the folders of the place.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Stack = tuple[str, ...]
"""Names of frames, outermost first."""

FEW_SAMPLES = 200
"""Samples below which shares are rough: of so many, a share of one half is known to ±7 percentage points."""

ALL, PROCESS = "all", "process: "
"""Name of a graph's root; beginning of the names of processes. Others are functions."""

_Z = 1.96
_PROCESS = re.compile(r'process \d+:"(.*)"', re.DOTALL)
_PLACES_OWN = re.compile(r"(?<![\w.])(?:\d{4,}|\d{1,3}(?:\.\d{1,3}){3})(?![\w.])")
"""Ports, process ids and IPv4 addresses, which differ from place to place."""
_LABEL_CHARACTERS = 120
_LOADER = re.compile(r"\S*/ld-\S+( --inhibit-cache)? --library-path \S+ ")


class _Frame(msgspec.Struct):
    name: str
    file: str | None = None


class _Samples(msgspec.Struct):
    name: str
    samples: list[list[int]]


class _Shared(msgspec.Struct):
    frames: list[_Frame]


class _Document(msgspec.Struct):
    shared: _Shared
    profiles: list[_Samples]


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples of the processes of one workload in the places of one runner."""

    label: str
    """The runner's."""
    stacks: Mapping[Stack, int]
    """Stack → number of samples in which it was seen running."""
    rate_hz: int
    """Samples per second of each running thread that were asked for."""
    processes: int
    """Number of processes that were seen running."""
    rounds: int = 1
    """Number of times that the workload was run for the profile."""

    @property
    def samples(self) -> int:
        """Count the samples of all stacks."""
        return sum(self.stacks.values())


def read_samples(document: bytes, hidden: Mapping[str, str]) -> tuple[Counter[Stack], set[str]]:
    """Read a document of speedscope's format, as py-spy writes it; return stacks and the names of the processes.

    The outermost process of each stack is the one that py-spy was attached to, the agent, and is left out.

    Args:
        document: the file's content.
        hidden: folder of the place → what stands for it in names, the longest first.

    Raises:
        ValueError: it is no such document.
    """
    try:
        read = msgspec.json.decode(document, type=_Document)
    except msgspec.DecodeError as error:
        raise ValueError(
            say("profile.no_speedscope", "not a profile in speedscope's format: {error}", error=error)
        ) from error
    frames = read.shared.frames
    stacks: Counter[Stack] = Counter()
    processes: set[str] = set()
    for one in read.profiles:
        if not all(0 <= number < len(frames) for sample in one.samples for number in sample):
            raise ValueError(say(
                "profile.no_frame", "not a profile in speedscope's format: a sample names a frame that is not there",
            ))  # fmt: skip
        split = [_split(sample, frames) for sample in one.samples]
        # A process that has just been found is not yet among the frames of its samples.
        front = max((outer for outer, _ in split), key=len, default=())
        outer = tuple(_process(frames[number].name, hidden) for number in front if number != front[0])
        for _, inner in split:
            stacks[(*outer, *(_function(frames[number], hidden) for number in inner))] += 1
            processes.add(one.name.partition(" Thread")[0])
    return stacks, processes


def _split(sample: list[int], frames: Sequence[_Frame]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Take the processes apart from the functions that run in the innermost of them."""
    count = 0
    while (
        count < len(sample)
        and not frames[sample[count]].file
        and _PROCESS.fullmatch(frames[sample[count]].name)
    ):
        count += 1
    return tuple(sample[:count]), tuple(sample[count:])


def _process(name: str, hidden: Mapping[str, str]) -> str:
    found = _PROCESS.fullmatch(name)
    command = _LOADER.sub("", found[1] if found else name, count=1)
    program, space, arguments = _shown(command, hidden).partition(" ")
    return _cut(f"{PROCESS}{program.rpartition('/')[2]}{space}{_PLACES_OWN.sub('…', arguments)}")


def _function(frame: _Frame, hidden: Mapping[str, str]) -> str:
    file = _shown(frame.file or "", hidden)
    return _cut(f"{frame.name} ({_short(file)})" if file else frame.name)


def _cut(label: str) -> str:
    return label if len(label) <= _LABEL_CHARACTERS else label[: _LABEL_CHARACTERS - 1] + "…"


def _shown(text: str, hidden: Mapping[str, str]) -> str:
    for folder, stands in hidden.items():
        text = text.replace(folder, stands)
    return text


def _short(file: str) -> str:
    """Keep the file's name and its folder's, which tells the modules of packages apart."""
    return "/".join(file.split("/")[-2:])


@dataclass(slots=True)
class Node:
    """A frame below the same frames in both profiles."""

    name: str
    base: int = 0
    """Samples in the first profile, with those of the frames above it in the picture."""
    other: int = 0
    """Samples in the second profile; the same as :attr:`base` where there is one profile only."""
    inner: dict[str, Node] = field(default_factory=dict)
    """Name → frame that this one called."""


@dataclass(frozen=True, slots=True)
class Change:
    """Difference of a frame's shares in two profiles."""

    points: float
    """Share in the second profile less that in the first, in percentage points."""
    noise_points: float
    """Half-width of the 95 % interval in percentage points, as if samples were independent."""

    @property
    def seen(self) -> bool:
        """Tell whether the change is larger than what sampling alone makes of equal shares."""
        return abs(self.points) > self.noise_points


def merged(base: Profile, other: Profile) -> Node:
    """Put the stacks of two profiles into one tree; its root stands for all samples."""
    root = Node(ALL)
    for stack, count in base.stacks.items():
        _add(root, stack, base=count)
    for stack, count in other.stacks.items():
        _add(root, stack, other=count)
    return root


def _add(root: Node, stack: Sequence[str], *, base: int = 0, other: int = 0) -> None:
    nodes = [root]
    for name in stack:
        nodes.append(nodes[-1].inner.setdefault(name, Node(name)))
    for node in nodes:
        node.base += base
        node.other += other


def change(node: Node, root: Node) -> Change:
    """Compare the shares of a frame in two profiles, neither of which is empty."""
    first, second = node.base / root.base, node.other / root.other
    pooled = (node.base + node.other) / (root.base + root.other)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / root.base + 1 / root.other))
    return Change(100 * (second - first), 100 * _Z * deviation)


def added(stacks: Iterable[Mapping[Stack, int]]) -> Counter[Stack]:
    """Add up the samples of several documents."""
    total: Counter[Stack] = Counter()
    for one in stacks:
        total.update(one)
    return total


def speedscope(profile: Profile) -> bytes:
    """Write a profile as a document of speedscope's format, each stack once with its number of samples as the weight."""
    frames = {
        name: number
        for number, name in enumerate(dict.fromkeys(n for stack in profile.stacks for n in stack))
    }
    ordered = sorted(profile.stacks.items())
    weights = [count for _, count in ordered]
    document = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "tare",
        "name": profile.label,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": [
            {
                "type": "sampled", "name": profile.label, "unit": "none", "startValue": 0, "endValue": sum(weights),
                "samples": [[frames[name] for name in stack] for stack, _ in ordered],
                "weights": weights,
            }
        ],
    }  # fmt: skip
    return msgspec.json.encode(document)
