"""``cpu-crypto`` and ``cpu-crypto-all``: measure AES-256-GCM with ``openssl speed``.

The CPU's own instructions for AES do it: a box that hides them from programs (``/proc/cpuinfo`` without ``aes``) shows here.
openssl measures for whole seconds, at least one, however fast the place is; ``-elapsed`` divides by real time, which it
reads in ticks of 10 ms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import ParseError, Workload, job_timeout, metric, number
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

BLOCK_BYTES = 16384
CIPHER = "aes-256-gcm"

_RATE = re.compile(rb"^\+F:\d+:([\w-]+):(\d+(?:\.\d+)?)$", re.MULTILINE)
_ROUNDS = re.compile(rb"^\+R:(\d+):([\w-]+):(\d+(?:\.\d+)?)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Crypto(Workload):
    """Encrypt blocks of 16 KiB for a second."""

    shortest_seconds: ClassVar[float] = 1.0  # openssl's least; its start takes 5 ms of it
    name: str
    summary: str
    all_cpus: bool
    family: str = "cpu"
    programs: tuple[str, ...] = ("openssl",)
    from_mode: FromMode = "rigorous"

    @property
    def duet(self) -> Duet:  # type: ignore[override]  # by the number of CPUs
        """Share all CPUs where the job uses all, else one."""
        return "all" if self.all_cpus else "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the cipher, the size of a block and the rule for processes."""
        return {
            "cipher": CIPHER,
            "block_bytes": BLOCK_BYTES,
            "processes": "one per CPU" if self.all_cpus else 1,
        }

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of whole seconds, by the place's clock."""
        # One process without `-multi` is what the workload for one CPU runs.
        several = ("-multi", str(site.cpus)) if self.all_cpus and site.cpus > 1 else ()
        argv = site.image.argv(
            site.root, "openssl", "speed", "-mr", "-elapsed", "-seconds", str(max(1, round(seconds))),
            "-bytes", str(BLOCK_BYTES), *several, "-evp", CIPHER,
        )  # fmt: skip
        return Job(
            argv=argv, environ=site.image.environ(site.root, "openssl"), timeout_seconds=job_timeout(seconds)
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the bytes per second. With several processes openssl prints the sum at the end.

        Raises:
            ParseError: there is no single rate, or it is not what the processes' rounds make.
        """
        output = result.stdout + b"\n" + result.stderr
        rates, rounds = _RATE.findall(result.stdout), _ROUNDS.findall(result.stderr)
        if len(rates) != 1 or not rounds or {name.lower() for name, _ in rates} != {CIPHER.encode()}:
            raise ParseError(
                self.name,
                say(
                    "parse.rates",
                    "{rates} rates and {rounds} counts of rounds",
                    rates=len(rates),
                    rounds=len(rounds),
                ),
                output,
            )
        rate = number(self.name, "rate", rates[0][1], output)
        computed = sum(
            number(self.name, "rounds", count, output) / number(self.name, "time", seconds, output)
            for count, _, seconds in rounds
        )
        if not 0.9 <= rate / (computed * BLOCK_BYTES) <= 1.1:
            raise ParseError(
                self.name,
                say(
                    "parse.blocks", "{rate} bytes/s beside {computed} blocks/s", rate=rate, computed=computed
                ),
                output,
            )
        done = sum(int(count) for count, _, _ in rounds)
        return (metric("openssl.rate", rate, "bytes/s", "higher", "openssl", primary=True, samples=done),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start, some 10 ms."""
        del opening_seconds
        return job_seconds + 0.02
