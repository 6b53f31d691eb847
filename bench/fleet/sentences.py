"""Word the state of a campaign, in sentences that the terminal can repeat in its language."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tare.results.origins import recall
from tare.results.said import listed, say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tare.bench.fleet.messages import Ended
    from tare.results.storage.fleet import FleetHost, Status

STATUSES: Mapping[Status, str] = {
    "waiting": say("status.waiting", "waiting"),
    "measuring": say("status.measuring", "measuring"),
    "complete": say("status.complete", "complete"),
    "failed": say("status.failed", "failed"),
    "unable": say("status.unable", "unable"),
    "lost": say("status.lost", "lost"),
    "interrupted": say("status.interrupted", "interrupted"),
}
"""What became of a host → its name."""


def came_in(trials: int, hosts: Collection[FleetHost]) -> str:
    """Tell how many trials came in, and how many hosts are in which state."""
    found = Counter(entry.status for entry in hosts)
    states = [
        say("status.number", "{n} {status}", n=number, status=STATUSES[status])
        for status, number in sorted(found.items())
    ]
    return say(
        "progress.fleet_trials", "{trials} came in; {hosts}: {states}",
        trials=count(trials, "trial"), hosts=count(len(hosts), "host"), states=listed(states, ", "),
    )  # fmt: skip


def ended(host: str, status: Status, reason: str) -> str:
    """Tell how a host's run ended, and why."""
    told = say("progress.fleet_ended", "{host}: {status}", host=host, status=STATUSES[status])
    return say("progress.fleet_why", "{ended}: {reason}", ended=told, reason=reason) if reason else told


def why_ended(ended: Ended) -> str:
    """Say why a run's process ended without a run that is complete, as its host said it."""
    recall(ended.origins)
    return ended.said or say("fleet.ended_with", "it ended with code {code}", code=ended.code)


def refused(worker: str, host: str) -> str:
    """Tell that a second worker of a host is not used."""
    return say(
        "progress.fleet_second", "worker {worker} is left out: {host} has a worker, and one measures at a time",
        worker=worker, host=host,
    )  # fmt: skip


def came_back(now: str, before: str) -> str:
    """Tell that a host came back as one of another class."""
    return say(
        "fleet.came_back", "it came back as {now}, and its run was begun on {before}", now=now, before=before
    )


def other_version(there: str, here: str) -> str:
    """Tell that a host has another version of Tare."""
    return say(
        "fleet.other_version", "it has tare {there}, and this machine has {here}: install the same version", there=there, here=here
    )  # fmt: skip


def stands_in(host: FleetHost, lost: str) -> str:
    """Tell that a host measures what a lost one has left."""
    return say(
        "progress.fleet_instead", "{host} measures what {lost} has left; both are {host_class}",
        host=host.host, lost=lost, host_class=host.host_class,
    )  # fmt: skip
