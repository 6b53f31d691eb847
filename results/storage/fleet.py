"""Store and read campaigns: one plan measured on many hosts, each of which has ordinary runs of its own.

``<results>/fleet/<campaign>.json`` lists the hosts, what became of each and its runs, which lie beside all other runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tare.results.errors import NotWritten, ResultError
from tare.results.origins import Said, origins, recall
from tare.results.plain_files import read_plain
from tare.results.plan import RequestRecord  # noqa: TC001 - msgspec reads annotations at run time
from tare.results.said import say
from tare.results.storage.atomic import write_whole

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "fleet"
"""Name of the folder of the campaigns, beside the runs."""

LABEL = "fleet"
"""Label of a campaign's runs; its value is the campaign's id."""

VERSION = 1

Status = Literal["waiting", "measuring", "complete", "failed", "unable", "lost", "interrupted"]
"""``unable``: nothing was measured, because the host cannot. ``failed``: the run ended early by itself. ``lost``: the worker
went away. ``interrupted``: the campaign was ended. All but the first three have a reason."""


class FleetHost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One host of a campaign, and what became of it."""

    host: str
    """Name of the host, as it calls itself."""
    host_class: str = ""
    """Class of the host, see :func:`tare.runners.host.facts.host_class`."""
    status: Status = "waiting"
    reason: str = ""
    """Why the status is not ``complete``, as a sentence."""
    runs: tuple[str, ...] = ()
    """Ids of its runs: first its own, then those it made in place of lost hosts of its class."""
    instead: tuple[str, ...] = ()
    """Names of the lost hosts whose remaining measurements it was given."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One campaign: its plan and its hosts."""

    version: int
    campaign: str
    """Id, made as those of runs are."""
    created: str
    """ISO 8601 UTC."""
    request: RequestRecord
    """What every host measures; the seed is the same for all."""
    offline: bool = False
    """Hosts fetch nothing."""
    labels: dict[str, str] = {}
    """The user's labels for all runs."""
    hosts: dict[str, FleetHost] = {}
    """Name of the host → what became of it."""
    said: dict[str, Said] = {}
    """Reason of a host → what it was made of, for pages in other languages. In the file alone: who reads it remembers them."""


def fleet_path(results_dir: Path, campaign: str) -> Path:
    """Give the path of a campaign's file."""
    return results_dir / FOLDER / f"{campaign}.json"


def write_fleet(results_dir: Path, fleet: Fleet) -> None:
    """Replace a campaign's file in one step.

    Raises:
        NotWritten: the folder cannot be written to.
    """
    path = fleet_path(results_dir, fleet.campaign)
    fleet = msgspec.structs.replace(fleet, said=origins([host.reason for host in fleet.hosts.values()]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(fleet), indent=2) + b"\n")
    except OSError as error:
        raise NotWritten(say(
            "fleet.not_written", "cannot write {path}: {strerror}. Look at the disk.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip


def read_fleet(results_dir: Path, campaign: str) -> Fleet:
    """Read a campaign by its id, the beginning of one, or ``latest``, and remember what its texts were made of.

    Raises:
        ResultError: there is none, there are several, or the file is damaged.
    """
    known = sorted(path.stem for path in (results_dir / FOLDER).glob("[!.]*.json"))
    meant = known[-1:] if campaign == "latest" else [one for one in known if one == campaign]
    meant = meant or [one for one in known if campaign and one.startswith(campaign)]
    if len(meant) != 1:
        folder = results_dir / FOLDER
        told = (
            say("fleet.known", "Known are {names}.", names=", ".join(known[-8:]))
            if known else
            say("fleet.none_known", "`tare fleet` makes one.")
        )  # fmt: skip
        raise ResultError(
            say("fleet.many", "{found} campaigns begin with {campaign!r} in {folder}. {told}",
                found=len(meant), campaign=campaign, folder=folder, told=told)
            if meant else
            say("fleet.none", "no campaign is called {campaign!r} in {folder}. {told}",
                campaign=campaign, folder=folder, told=told)
        )  # fmt: skip
    path = fleet_path(results_dir, meant[0])
    try:
        fleet = msgspec.json.decode(read_plain(path), type=Fleet)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResultError(
            say("fleet.unreadable", "{path} cannot be read as a campaign: {error}.", path=path, error=error)
        ) from error
    if fleet.version != VERSION:
        raise ResultError(say(
            "fleet.version", "{path} has version {version}, this tare reads {version2}: use the tare that made it.",
            path=path, version=fleet.version, version2=VERSION,
        ))  # fmt: skip
    recall(fleet.said)
    return msgspec.structs.replace(fleet, said={})
