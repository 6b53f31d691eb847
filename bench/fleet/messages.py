"""Define what the director of a campaign and its hosts tell each other."""

from __future__ import annotations

import msgspec

from tare.results.origins import Said  # noqa: TC001 - as below
from tare.results.plan import RequestRecord  # noqa: TC001 - msgspec reads annotations at run time

ORIGINS = "said.json"
"""File in which a run's process leaves what the text of its error was made of."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Order to a host: make one run, or go on with it."""

    campaign: str
    host: str
    number: int
    """Number of the run on this host, from 0: 0 is its own, the others are made in place of lost hosts."""
    session: str
    """Random name of the director that gives it: workers outlive a director, and remember what they were told to end."""
    attempt: int
    """How often this director has given the order; keeps the tokens of its orders apart."""
    request: RequestRecord
    offline: bool
    labels: dict[str, str]
    argv: tuple[str, ...]
    """Words of the command line that began the campaign."""
    run: str = ""
    """Id of the run to go on with. Empty: a new run."""
    manifest: bytes = b""
    """Manifest of that run, as the director has it, for a host that lost its copy."""
    trials: bytes = b""
    """Its trials that the director has."""

    @property
    def token(self) -> str:
        """Name the order, differently from all others."""
        return f"tare-{self.campaign}-{self.host}-{self.number}-{self.session}-{self.attempt}"


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that a worker tells of its host before it is given anything."""

    host: str
    host_class: str
    version: str
    """Version of its tare."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a run on its way from a host to the director."""

    token: str
    run: str
    """Id of the run; empty in a sign of life before there is one."""
    manifest: bytes
    """The whole manifest, if it has changed since the last chunk; else empty."""
    offset: int
    """Position of :attr:`lines` in the host's ``trials.jsonl``."""
    lines: bytes
    """Whole lines."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """End of the process that made a run."""

    token: str
    code: int
    """Exit code of the process, as that of ``tare run``."""
    said: str
    """Last line that it wrote to stderr."""
    run: str
    """Id of the run; empty if none was begun."""
    size: int
    """Bytes of the host's ``trials.jsonl``."""
    origins: dict[str, Said] = {}
    """Text of an error → what it was made of, for directors and pages in other languages."""
