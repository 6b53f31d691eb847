"""Plan experiments, and one that does nothing but open fake places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from support.campaigns import LIMITS
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import FromMode, Terms, Unsuitable
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.matrix import Aim, Selection, cross, make_plan
from tare.bench.planning.modes import MODES
from tare.bench.request.keyword import compile_keyword
from tare.bench.workloads.null import Null
from tare.results.details import ScalingDetails
from tare.results.record import Accelerator, Metric
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeRunner
from tare.runners.model import Probe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.experiments.base import Lab
    from tare.bench.planning.plan import Plan
    from tare.bench.request.request import ModeName
    from tare.runners.context import Runner

KEYS = ("bare", "box")
"""Runners that experiments are planned for."""


@dataclass(frozen=True)
class Pair(Experiment):
    """An experiment with two fake places at once."""

    name: str = "pair"
    family: str = "crowd"
    summary: str = "two places at once"
    from_mode: FromMode = "quick"
    most_blocks: int = 15
    seconds: float = 0.1
    takes: float = 0.0
    """Seconds of the fake host's time that a trial takes."""
    refused: str = ""
    script: dict[int, Exception | str] = field(default_factory=dict, hash=False, compare=False)
    """Number of openings of ``box`` before the trial → an error to raise, or ``half`` for a failure half-way."""

    def admit(self, runner: Runner, terms: Terms) -> None:
        if runner.name == self.refused:
            raise Unsuitable(f"{runner.name} cannot take {terms.limits.memory_bytes} bytes.", "give less")

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        del job_seconds
        return 2 * opening_seconds + self.seconds

    def perform(self, lab: Lab) -> Findings:
        fake = cast("FakeRunner", lab.runner)
        wrong = self.script.get(fake.openings) if lab.runner.name == "box" else None
        fake.clock.advance(self.takes)
        with lab.runner.open(), lab.runner.open() as second:
            if isinstance(wrong, Exception):
                raise wrong
        return Findings(
            metrics=(Metric(name="pair.n", value=2, unit="count", direction="none", primary=True),),
            context={"fake": True},
            details=ScalingDetails(threads=second.timeline["ready"]),
            failure=PlaceFailure("half-way", remedy="begin again") if wrong == "half" else None,
        )


def plan_experiments(
    experiments: Sequence[Experiment],
    *,
    mode: ModeName = "quick",
    blocks: int | None = None,
    keyword: str = "",
    probes: Mapping[str, Probe] | None = None,
    seen: Mapping[str, float] | None = None,
    accelerator: Accelerator = "none",
) -> Plan:
    """Plan the null workload and these experiments under :data:`KEYS`.

    Args:
        experiments: what is planned beside the null workload.
        mode: mode of the run.
        blocks: number of blocks that is asked for.
        keyword: ``-k``.
        probes: what the runners said of this host; that they work, if ``None``.
        seen: what trials took before.
        accelerator: that of every runner but the base.
    """
    accelerators: dict[str, Accelerator] = {"bare": "none", "bare-again": "none", "box": accelerator}
    runners = {key: FakeRunner(key, accelerator=accelerators[key]) for key in KEYS}
    selection = Selection(
        (Null(), *experiments), compile_keyword(keyword), mode, terms=Terms(replace(LIMITS, memory_bytes=7))
    )
    aim = Aim(MODES[mode], Estimates(accelerators, seen or {}), blocks)
    matrix = cross(selection, runners, probes or {key: Probe(ok=True) for key in KEYS})
    return make_plan(matrix, aim, 3)
