"""Direct a campaign: give each host its run, take in what it measures, and see to it that what a lost host leaves is measured.

The director knows nothing of Dask; it asks a :class:`tare.bench.fleet.cluster.Cluster` and is driven step by step.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from tare.bench.errors import Exit
from tare.bench.fleet import sentences as told
from tare.bench.fleet.cluster import SchedulerLost
from tare.bench.fleet.messages import Assignment, Chunk, HostFacts
from tare.bench.fleet.remainder import remainder
from tare.results.errors import ResultError
from tare.results.said import say
from tare.results.storage.fleet import LABEL, FleetHost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.bench.fleet.cluster import Cluster
    from tare.bench.fleet.inbox import Inbox
    from tare.bench.fleet.messages import Ended
    from tare.results.plan import RequestRecord
    from tare.results.storage.fleet import Fleet, Status

STOP_SECONDS = 120.0
"""Time that hosts have to end their runs and hand over the rest after Ctrl-C."""

TELL_SECONDS = 10.0
"""Time between two lines that tell how far the campaign is."""

SILENT_SECONDS = 120.0
"""Time without any message after which a host counts as lost: hosts send one every few seconds."""

SUSPENDED_SECONDS = 30.0
"""Length of a step after which it is the director that was suspended, not the hosts."""

RECEIVE_SECONDS = 0.5
WORKERS_SECONDS = 1.0
"""Time between two looks at which workers are there."""


@dataclass(slots=True)
class _Active:
    """A run that is being made."""

    assignment: Assignment
    worker: str
    heard: float
    """Moment of its last message."""


@dataclass(slots=True)
class Director:
    """Drives one campaign over the hosts of a cluster."""

    fleet: Fleet
    cluster: Cluster
    inbox: Inbox
    keep: Callable[[Fleet], object]
    """Stores the campaign's record; called after each step in which what became of a host has changed."""
    say: Callable[[str], object]
    """Tells the user a line."""
    version: str
    """Version of this tare; hosts with another one take no part."""
    argv: tuple[str, ...] = ()
    wait_seconds: float = 60.0
    """Time to wait for the first host, and for a lost one to come back."""
    expected: int = 1
    """Number of hosts that are awaited before the campaign may be over."""
    unreached: Callable[[], Mapping[str, str]] = dict
    """Lists the hosts that no worker could be started on, with the reasons."""
    now: Callable[[], float] = time.monotonic
    active: dict[str, _Active] = field(default_factory=dict)
    """Token → run that is being made."""
    workers: dict[str, str] = field(default_factory=dict)
    """Address of a worker → its host."""
    seen: frozenset[str] = frozenset()
    """Workers at the last look, also those that take no part."""
    lost_at: dict[str, float] = field(default_factory=dict)
    """Host → moment when its worker was lost."""
    given: set[str] = field(default_factory=set)
    """Lost hosts whose remaining measurements another host was given."""
    session: str = field(default_factory=lambda: secrets.token_hex(4))
    """See :attr:`tare.bench.fleet.messages.Assignment.session`."""
    attempts: Counter[str] = field(default_factory=Counter)
    changed: bool = False
    """The record has changed since it was stored."""
    began: float = 0.0
    moment: float = 0.0
    """Time of the step, the same for all its decisions."""
    looked: float = -1e9
    told: float = -1e9

    def run(self) -> Fleet:
        """Drive the campaign to its end, and return what became of each host.

        Ctrl-C, and the loss of the scheduler, end it with what came in; hosts that were measuring are ``interrupted``.

        What an earlier call began is gone on with: hosts that are not done count as lost just now.
        """
        self.began = self.moment = self.now()
        self.given = {lost for entry in self.fleet.hosts.values() for lost in entry.instead}
        self.lost_at = {
            host: self.began for host, entry in self.fleet.hosts.items() if entry.status != "complete"
        }
        try:
            while not self.step():
                pass
        except KeyboardInterrupt:
            self.say(
                say(
                    "progress.fleet_ending",
                    "ending the runs on all hosts; Ctrl-C again leaves them to themselves",
                )
            )
            self._stop()
        except SchedulerLost as error:
            self._interrupt(str(error))
        self._settle()
        self._keep_changes()
        return self.fleet

    def step(self) -> bool:
        """Look at the workers, take in what came, give out what is to be done; return whether all is over."""
        before, self.moment = self.moment, self.now()
        if self.moment - before > SUSPENDED_SECONDS:
            for one in self.active.values():
                one.heard = self.moment
        if self.moment - self.looked >= WORKERS_SECONDS:
            self.looked = self.moment
            self._look_at_workers()
        self._take_in(RECEIVE_SECONDS)
        self._give_out()
        self._keep_changes()
        return self._over()

    def _look_at_workers(self) -> None:
        for host, reason in self.unreached().items():
            if host not in self.fleet.hosts:
                self._refuse(host, reason)
        there = self.cluster.workers()
        for worker in [one for one in self.workers if one not in there]:
            self._lose(worker)
        for one in list(self.active.values()):
            if self.moment - one.heard > SILENT_SECONDS:
                # It may be another worker at the same address by now, so it is asked again who it is.
                self.cluster.stop({one.worker: one.assignment.token})
                self._lose(one.worker)
                self.seen -= {one.worker}
        new = there - self.seen
        self.seen = there
        if not new:
            return
        for worker, said in sorted(self.cluster.describe(new).items()):
            if isinstance(said, HostFacts) and said.version == self.version:
                self._admit(worker, said)
            else:
                self._refuse(worker, said)

    def _admit(self, worker: str, facts: HostFacts) -> None:
        host = facts.host
        if host in self.workers.values():
            self.say(told.refused(worker, host))
            return
        known = self.fleet.hosts.get(host)
        if known is not None and known.runs and known.host_class != facts.host_class:
            text = told.came_back(facts.host_class, known.host_class)
            self._change(host, status="lost", reason=text)
            self.given.add(host)
            return
        self.workers[worker] = host
        self.lost_at.pop(host, None)
        if known is None:
            self._change(host, host_class=facts.host_class)
        elif known.status != "complete":
            self._change(host, host_class=facts.host_class, status="waiting", reason="")

    def _refuse(self, worker: str, said: HostFacts | str) -> None:
        name = worker
        if isinstance(said, HostFacts):
            name = said.host
            said = told.other_version(said.version, self.version)
        self.say(say("progress.fleet_no_part", "{host} takes no part: {reason}", host=name, reason=said))
        if name not in self.fleet.hosts:
            self._change(name, status="unable", reason=said)

    def _lose(self, worker: str) -> None:
        host = self.workers.pop(worker)
        entry = self.fleet.hosts[host]
        lost = [one for one in self.active.values() if one.worker == worker]
        for one in lost:
            del self.active[one.assignment.token]
            self.say(say("progress.fleet_lost", "{host} was lost while it measured", host=host))
        if lost and lost[0].assignment.number:  # its own run is complete
            other = entry.instead[-1]
            self.given.discard(other)
            self._change(host, status="complete", instead=entry.instead[:-1])
        elif entry.status in {"measuring", "waiting"}:
            self.lost_at[host] = self.moment
            self._change(
                host, status="lost", reason=say("fleet.worker_lost", "its worker went away while it measured")
            )

    def _take_in(self, seconds: float) -> None:
        for message in self.cluster.receive(seconds):
            one = self.active.get(message.token)
            if one is None:  # of an attempt that was given up
                continue
            one.heard = self.now()
            if isinstance(message, Chunk):
                self._take(one, message)
            else:
                del self.active[message.token]
                self._end(one, message)
        if self.now() - self.told >= TELL_SECONDS:
            self.told = self.now()
            self.say(told.came_in(self.inbox.trials, self.fleet.hosts.values()))

    def _take(self, one: _Active, chunk: Chunk) -> None:
        if not chunk.run:
            return
        self.inbox.take(chunk)
        host = self.fleet.hosts[one.assignment.host]
        if chunk.run not in host.runs:
            self._change(host.host, runs=(*host.runs, chunk.run))

    def _end(self, one: _Active, ended: Ended) -> None:
        """Record how a run ended; fetch what of it did not come in."""
        status, reason = self._outcome(one, ended)
        if status == "complete":
            self.cluster.forget(one.worker, one.assignment)
        host = self.fleet.hosts[one.assignment.host]
        if one.assignment.number:  # its own run is complete, whatever became of this one
            reason = reason and say(
                "fleet.in_place", "in place of {host}: {reason}", host=host.instead[-1], reason=reason
            )
            status = "complete"
        self._change(host.host, status=status, reason=reason)
        self.say(told.ended(host.host, status, reason))

    def _outcome(self, one: _Active, ended: Ended) -> tuple[Status, str]:
        """Tell what became of a run, and why if it is not complete."""
        if ended.run and not self._fetch(one, ended):
            return "failed", say("fleet.not_fetched", "a part of its trials could not be fetched")
        about = self.inbox.manifest(ended.run) if ended.run else None
        if about is not None and about.status == "complete":
            return "complete", ""
        if ended.code == Exit.INTERRUPTED:
            return "interrupted", say("fleet.ended", "its run was ended")
        return ("unable" if about is None else "failed"), told.why_ended(ended)

    def _fetch(self, one: _Active, ended: Ended) -> bool:
        while (size := self.inbox.size(ended.run)) < ended.size:
            chunk = self.cluster.rest(one.worker, one.assignment, size)
            if chunk is None or not chunk.lines:
                return False
            self._take(one, chunk)
        return True

    def _give_out(self) -> None:
        busy = {one.worker for one in self.active.values()}
        for worker, host in self.workers.items():
            entry = self.fleet.hosts[host]
            if worker in busy:
                continue
            if entry.status == "waiting":
                run = entry.runs[0] if entry.runs else ""
                self._start(worker, host, 0, self.fleet.request, run)
            elif entry.status == "complete":
                self._give_in_place(worker, entry)

    def _give_in_place(self, worker: str, entry: FleetHost) -> None:
        """Give a host that is done what a lost host of its class has left, if that does not come back."""
        for lost, moment in self.lost_at.items():
            other = self.fleet.hosts[lost]
            early = self.moment - moment < self.wait_seconds
            if lost in self.given or early or not self._can_stand_in(entry, other):
                continue
            self.given.add(lost)
            left = self._left(other)
            if left is not None:
                self._change(entry.host, instead=(*entry.instead, lost))
                self.say(told.stands_in(entry, lost))
                self._start(worker, entry.host, len(entry.instead) + 1, left, "")
                return

    def _can_stand_in(self, host: FleetHost, lost: FleetHost) -> bool:
        """Tell whether a host is of the same class, and has measured all that the lost one can measure."""
        if host.host_class != lost.host_class or not host.runs:
            return False
        if not lost.runs:
            return True
        return self.inbox.skipped(host.runs[0]) <= self.inbox.skipped(lost.runs[0])

    def _left(self, lost: FleetHost) -> RequestRecord | None:
        run = lost.runs[0] if lost.runs else ""
        return remainder(self.fleet.request, self.inbox.results_dir / run if run else None)

    def _start(self, worker: str, host: str, number: int, request: RequestRecord, run: str) -> None:
        manifest, trials = self.inbox.raw(run) if run else (b"", b"")
        run = run if manifest else ""
        key = f"{host}-{number}"
        self.attempts[key] += 1
        assignment = Assignment(
            campaign=self.fleet.campaign,
            host=host,
            number=number,
            session=self.session,
            attempt=self.attempts[key],
            request=request,
            offline=self.fleet.offline,
            labels={**self.fleet.labels, LABEL: self.fleet.campaign, f"{LABEL}.host": host[:200]},
            argv=self.argv,
            run=run,
            manifest=manifest,
            trials=trials,
        )
        self.active[assignment.token] = _Active(assignment, worker, self.moment)
        self._change(host, status="measuring", reason="")
        self.cluster.start(worker, assignment)

    def _over(self) -> bool:
        if self.active or any(self.fleet.hosts[host].status == "waiting" for host in self.workers.values()):
            return False
        waited = self.moment - self.began >= self.wait_seconds
        if len(self.fleet.hosts) < self.expected and not waited:
            return False
        return all(
            host in self.given or self.moment - moment >= self.wait_seconds
            for host, moment in self.lost_at.items()
        )

    def _stop(self) -> None:
        """End all runs and take in what they hand over; those that do not answer in time are left."""
        try:
            self.cluster.stop({one.worker: token for token, one in self.active.items()})
            until = self.now() + STOP_SECONDS
            while self.active and self.now() < until:
                self._take_in(RECEIVE_SECONDS)
        except SchedulerLost as error:
            self._interrupt(str(error))
        except KeyboardInterrupt:
            self.say(say("progress.fleet_kept", "what came in is kept"))
        self._interrupt(say("fleet.campaign_ended", "the campaign was ended"))

    def _interrupt(self, reason: str) -> None:
        for one in self.active.values():
            self._change(one.assignment.host, status="interrupted", reason=reason)
        self.active.clear()

    def _settle(self) -> None:
        """Give what is not complete its last status and reason, also in the runs that came in."""
        for host, entry in self.fleet.hosts.items():
            if entry.status == "lost" and host not in self.given:
                reason = say(
                    "fleet.nobody", "{reason}, and no other host of its class can measure the same", reason=entry.reason
                )  # fmt: skip
                self._change(host, reason=reason)
            elif entry.status == "lost" and (by := self._taken_by(host)):
                reason = say(
                    "fleet.taken", "{reason}; {host} measured what it had left", reason=entry.reason, host=by
                )
                self._change(host, reason=reason)
            elif entry.status in {"waiting", "measuring"}:
                self._change(
                    host,
                    status="interrupted",
                    reason=say("fleet.no_turn", "the campaign ended before its turn"),
                )
            for run in entry.runs:
                try:
                    self.inbox.close(run)
                except ResultError as error:
                    self.say(str(error))

    def _taken_by(self, lost: str) -> str:
        return next((one.host for one in self.fleet.hosts.values() if lost in one.instead), "")

    def _change(self, host: str, **changes: object) -> None:
        before = self.fleet.hosts.get(host, FleetHost(host=host))
        after = msgspec.structs.replace(before, **changes)
        if after != before or host not in self.fleet.hosts:
            self.fleet.hosts[host] = after
            self.changed = True

    def _keep_changes(self) -> None:
        """Store the campaign's record if it has changed: once in each step, since it grows with the number of hosts."""
        if self.changed:
            self.changed = False
            self.keep(self.fleet)
