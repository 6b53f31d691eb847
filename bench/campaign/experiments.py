"""Measure experiments: each trial is one performance, for which the experiment makes its places itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import msgspec

from tare.bench.experiments.base import Lab
from tare.bench.measurable import Unsuitable
from tare.bench.planning.estimates import job_key
from tare.runners.errors import TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tare.bench.campaign.failures import Failures
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.slots import Slot
    from tare.bench.campaign.trial_builder import TrialBuilder
    from tare.bench.experiments.base import Experiment
    from tare.bench.planning.plan import Plan


class Experiments(msgspec.Struct, frozen=True):
    """Measure blocks of experiments, while no steady-state place is open."""

    plan: Plan
    provisioned: Provisioned
    recorder: Recorder
    openings: Failures
    """Failed openings by runner key. A runner that was given up is given up for experiments, too."""
    performances: Failures
    """Failed trials by ``<experiment>@<runner key>``."""
    _unsuitable: dict[str, Unsuitable] = msgspec.field(default_factory=dict)
    """``<experiment>@<runner key>`` → what lastingly speaks against it."""

    def block(self, slots: Sequence[Slot]) -> None:
        """Measure the trials of a block."""
        for slot in slots:
            self._trial(cast("Experiment", slot.case.workload), slot)

    def _trial(self, experiment: Experiment, slot: Slot) -> None:
        builder = self.recorder.begin(slot, self.provisioned.runner(slot.case.runner))
        self.recorder.next_invocation()
        key = f"{experiment.name}@{slot.case.runner}"
        if why := self.openings.why_given_up(slot.case.runner) or self.performances.why_given_up(key):
            self.recorder.store_skipped(builder, why)
        elif known := self._unsuitable.get(key):
            # It would say the same again, and a guest takes seconds to ask.
            self.recorder.store_skipped(builder, known.reason, known.remedy)
        else:
            self._perform(experiment, slot, builder, key)

    def _perform(self, experiment: Experiment, slot: Slot, builder: TrialBuilder, key: str) -> None:
        began = time.monotonic()
        lab = lab_of(self.provisioned, slot.case.runner, self.plan.job_seconds, self.recorder.progress.say)
        try:
            findings = experiment.perform(lab)
        except Unsuitable as error:
            if error.lasting:
                self._unsuitable[key] = error
            self.recorder.store_skipped(builder, error.reason, error.remedy)
            return
        except (TareError, OSError) as error:
            failure = as_failure(error)
            self.recorder.store_failed(builder, failure)
            if not self.openings.check_launcher():
                self.performances.failed(key, failure)
            return
        builder.finish_experiment(findings)
        if findings.failure:
            self.performances.failed(key, findings.failure)
            self.recorder.tell(builder)
        else:
            self.performances.succeeded(key)
        seconds = time.monotonic() - began
        self.recorder.store(builder)
        self.recorder.costs.add(job_key(slot.case, self.plan.job_seconds), seconds)


def lab_of(provisioned: Provisioned, runner: str, job_seconds: float, say: Callable[[str], None]) -> Lab:
    """Give an experiment what it may use of the run, for a case's runner key."""
    supplies = provisioned.bench.supplies
    return Lab(
        runner=provisioned.runner(runner),
        image=provisioned.image_of(runner),
        limits=provisioned.limits,
        context=supplies.context,
        provision=supplies.provision,
        crowd=provisioned.crowd,
        job_seconds=job_seconds,
        say=say,
        siblings=provisioned.bench.siblings,
    )
