"""Choose the runners of a request, make them and probe this host."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import msgspec

from tare.bench.planning.variants import SIGN, Variant, make_variants
from tare.results.record import BASE
from tare.results.said import say
from tare.runners.entry_points import said_of
from tare.runners.errors import TareError
from tare.runners.model import Probe
from tare.runners.registry import DEFAULT, QUICK, check, make, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tare.bench.planning.siblings import Siblings
    from tare.bench.request.request import Request
    from tare.results.record import Provenance
    from tare.runners.context import Runner, Supplies
    from tare.runners.host.steal import CpuSample


class Bench(msgspec.Struct, frozen=True):
    """Runners of a run, with what they were made from and what they said of this host."""

    supplies: Supplies
    runners: Mapping[str, Runner]
    probes: Mapping[str, Probe]
    siblings: Siblings | None = None
    """Source of runners that experiments make beside them; ``None``: there are none."""
    cpu_before: CpuSample | None = None
    """Beginning of a sample of the CPUs' time for the host's conditions, which ends with the run; ``None``: none was begun."""
    provenance: Callable[[], Provenance] | None = None
    """Waits for the provenance of a new run, which was asked for at the start; ``None``: it was not."""


def choose_runners(request: Request) -> tuple[str, ...]:
    """List the keys of the runners asked for, the base first.

    Raises:
        UsageError: a name is unknown.
    """
    default = QUICK if request.mode == "quick" else DEFAULT
    return check(request.settings.run.runners or default)


def probe(supplies: Supplies, keys: Sequence[str]) -> Bench:
    """Make the runners and ask each of them whether it can work here."""
    runners = {key: make(key, supplies) for key in keys}
    return Bench(supplies, runners, {key: probed(runner) for key, runner in runners.items()})


def probed(runner: Runner) -> Probe:
    """Ask a runner whether it can work here; a host that stops it in the middle of the question has answered, too."""
    try:
        return runner.probe()
    except (TareError, OSError, subprocess.SubprocessError) as error:
        return Probe(ok=False, reason=say("plan.probe_failed", "trying it failed: {error}", error=error))
    except Exception as error:  # whatever a stranger's module does
        if not (origin := origin_of(runner.name)):
            raise
        said = f"{said_of(error)} ({origin})"
        return Probe(ok=False, reason=say("plan.probe_failed", "trying it failed: {error}", error=said))


def runner_keys(request: Request) -> tuple[str, ...]:
    """List the keys of the runners that a request makes, in variants where it asks for some."""
    if not request.variants:
        return choose_runners(request)
    return tuple(f"{key}{SIGN}{name}" for key in _varied(request) for name, _ in request.variants)


def _varied(request: Request) -> tuple[str, ...]:
    asked = request.settings.run.runners
    return check(asked)[0 if BASE in asked else 1 :]


def in_variants(request: Request, supplies: Supplies) -> Bench:
    """Make every runner asked for in every variant, and no other: each is compared with its own base."""
    keys = _varied(request)
    runners = make_variants(supplies, keys, [Variant(name, settings) for name, settings in request.variants])
    return Bench(supplies, runners, {key: probed(runner) for key, runner in runners.items()})
