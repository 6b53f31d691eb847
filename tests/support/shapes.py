"""Make up runs of every shape that a report has to tell of, with nothing in them that is English but names.

What a run says in sentences is said as the suite says it, so that pages in other languages can repeat it.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from support import crowds, ladder_runs
from support.results_making import manifest, metric, trial
from support.synthetic import THRESHOLD, empty_input, make_input
from support.verdicts import compared, cpu
from tare.bench.analysis.report import report_input
from tare.bench.analysis.styles import runner_styles
from tare.reports.content.page import REASONS
from tare.reports.model import ReportInput
from tare.reports.text.words import words
from tare.results.details import (
    Attempt,
    DeployDetails,
    ImageRead,
    IsolationDetails,
    LayerSizes,
    ScalingDetails,
)
from tare.results.environment import KvmBaseline, LimitsSeen, MemoryProbe, PidsProbe, ProbeRecord
from tare.results.judgement.calibration import FORMAT, Calibration, Rate
from tare.results.judgement.counts import CountsCompared
from tare.results.record import Provenance
from tare.results.said import listed, say
from tare.results.storage.load import Problem, undecodable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tare.results.record import Trial
    from tare.results.storage.load import ProblemKind

GUEST = "qemu-microvm"
CONDITIONS = (
    "governor",
    "turbo",
    "load",
    "pressure",
    "steal",
    "virtualisation",
    "aslr",
    "swap",
    "smt",
    "huge pages",
)
"""Names of the host's conditions that every run is asked for."""
ENGLISH = "an English sentence for"
"""Beginning of all texts that are said here."""


class Sentences(Mapping[str, str]):
    """Say something by every code that the suite has sentences for: code → the English text, which no page shows.

    A text is said anew whenever it is taken, since a process forgets the oldest ones.
    """

    def __init__(self) -> None:
        korean = {key: text for key, text in words("ko").texts.items() if key.startswith("said.")}
        self._names = {
            key.removeprefix("said."): {name for _, name, _, _ in string.Formatter().parse(text) if name}
            for key, text in korean.items()
        }

    def __getitem__(self, code: str) -> str:
        names = self._names[code]
        template = f"{ENGLISH} {code}" + "".join(f" {{{name}}}" for name in names)
        return say(code, template, **dict.fromkeys(names, "7"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@cache
def sentences() -> Sentences:
    """Read the codes once."""
    return Sentences()


def why() -> str:
    return sentences()["ending.status"]


def remedy() -> str:
    return sentences()["remedy.doctor"]


def with_manifest(given: ReportInput, **changes: Any) -> ReportInput:
    return msgspec.structs.replace(given, manifest=msgspec.structs.replace(given.manifest, **changes))


def plain() -> ReportInput:
    """Make a run of all figures, without what :mod:`support.synthetic` says in English of its own."""
    given = make_input(blocks=3)
    told = tuple(
        msgspec.structs.replace(
            one, because=because(REASONS[at % len(REASONS)]), notes=(), cost=msgspec.structs.replace(one.cost, method="hodges-lehmann, t")
        )
        for at, one in enumerate(given.comparisons)
    )  # fmt: skip
    trials = tuple(
        msgspec.structs.replace(
            one, reason=one.reason and why(), remedy=one.remedy and remedy(), last_line=""
        )
        for one in given.trials
    )
    return with_manifest(
        msgspec.structs.replace(given, comparisons=told, trials=trials), name="", host={"python": "3.11.7"}
    )


def because(reason: str) -> str:
    """Say a reason of a verdict."""
    return sentences()[f"rule.{reason}"]


def of_trials(*trials: Trial, **changes: Any) -> ReportInput:
    """Make a run of trials alone."""
    return with_manifest(msgspec.structs.replace(empty_input(), trials=trials), name="", host={}, **changes)


def failing(outcome: Any) -> ReportInput:
    """Make a run in which no trial gave a value."""
    made = (
        trial(n, workload="cpu", family="cpu", runner=runner, outcome=outcome, reason=why(), remedy=remedy(), last_line="x")
        for n, runner in enumerate(("bare", "namespaces", GUEST))
    )  # fmt: skip
    return of_trials(*made)


def alone() -> ReportInput:
    """Make a run of one runner, which is compared with nothing."""
    return of_trials(*(trial(n, metric(0.01, name="launch.total", primary=True)) for n in range(3)))


def unjudged() -> ReportInput:
    """Make a run of which nothing is decided, for every reason that there is, with a note."""
    kinds = [
        compared(
            f"work-{at}", 1.1, "undecided", half=0.5, because=because(reason), blocks=4, needed_blocks=30
        )
        for at, reason in enumerate(REASONS)
    ]
    whole = [
        compared("a", 1.2, "worse", because=because("beyond")),
        compared("b", 1.0, "same", because=because("within")),
        compared("c", 1.0, "undecided", refused=True, because=because("no_ratio")),
        compared("d", 3.0, "undecided", half=None, because=because("too_few")),
        cpu("d", 0.9, "better", because=because("beyond")),
        compared("e", 900.0, "worse", runner=f"{GUEST}(tcg)", because=because("beyond")),
    ]
    noted = [
        msgspec.structs.replace(one, cost=msgspec.structs.replace(one.cost, method="hodges-lehmann"))
        for one in (*kinds, *whole)
    ]
    noted[0] = msgspec.structs.replace(noted[0], notes=(sentences()["pair.unpaired"],))
    return ReportInput(manifest(status="complete"), (), tuple(noted), styles=runner_styles())


def every_sentence() -> ReportInput:
    """Make a run that notes everything that the suite can say."""
    given = unjudged()
    first = msgspec.structs.replace(given.comparisons[0], notes=tuple(sentences().values()))
    return msgspec.structs.replace(given, comparisons=(first,))


def states(status: Any = "complete", mode: Any = "default", **changes: Any) -> ReportInput:
    """Make a small run in a state."""
    return with_manifest(unjudged(), status=status, mode=mode, **changes)


def damaged() -> ReportInput:
    """Make a run whose file has every kind of damage."""
    told = sentences()
    kinds: dict[ProblemKind, str] = {
        "foreign": "foreign", "duplicate": "duplicate", "negative": "negative", "mixed-unit": "mixed", "mixed-direction": "mixed",
        "unreadable": "range",
    }  # fmt: skip
    cut = (undecodable(1, b"\n", ValueError()), undecodable(2, b"{", ValueError()))
    others = tuple(
        Problem(n, kind, told[f"problem.{code}"], "") for n, (kind, code) in enumerate(kinds.items(), 3)
    )
    return msgspec.structs.replace(unjudged(), problems=(*cut, *others))


def contents() -> ReportInput:
    """Make a run with a trial of every experiment, and of every kind of container engine."""
    rate = metric(400.0, name="events", unit="ops/s", direction="higher", primary=True)
    kvm = {"kvm.exits": 9.0, "kvm.exits.io": 4.0, "kvm.exits.mmio": 2.0, "kvm.exits.halt": 1.0, "kvm.instructions": 5.0,
           "guest_memory.ram": 1e8, "guest_memory.overhead": 1e7, "guest_memory.ram_merged": 0.0}  # fmt: skip
    facts = {
        "kernel.boot_id": "1",
        "cpu.features": "avx sse",
        "capabilities.bounding": "all",
        "kernel.clock": "the host's",
    }
    layer = LayerSizes(name="base", digest="sha256:a", files=2, size_bytes=1, tar_bytes=2, gzip_bytes=1)
    found: list[Trial] = [*crowds.TRIALS]
    for n, runner in enumerate(("bare", "namespaces", GUEST)):
        verdicts: tuple[Any, ...] = ("open", "confined", "blocked")
        attempts = tuple(
            Attempt(name=name, verdict=verdicts[n], error="EPERM", tried="x") for name in ("reboot", "mount")
        )
        own: dict[str, str | int] = {**facts, "cpu.features": ("avx sse", "sse", "sse fma")[n]}
        context = {
            "network": "none, loopback only",
            "root": "image tree",
            "limitations": ["loopback of the place"],
        }
        common: dict[str, Any] = {"runner": runner, "invocation": n, "context": context}
        values = [
            metric(1.1, name=f"neighbours.{a}.{b}")
            for a in ("throughput", "latency")
            for b in ("apart", "shared")
        ]
        shop = [
            metric(3.0, name=name)
            for name in ("app.max.rate", "app.load.p50", "services.hop", "services.replace.failed")
        ]
        engine = [
            metric(0.1, name=f"engine.{name}")
            for name in ("create", "start", "stop", "remove", "return", "settle", "cpu")
        ]
        deploy = [metric(2.0, name=f"deploy.{way}.{part}") for way in ("layers-empty", "layers-cached", "disk-raw", "disk-qcow2", "disk-backing")
                  for part in ("moved", "compressed", "total", "deliver", "start")]  # fmt: skip
        sizes = [
            metric(3.0, name=f"deploy.{name}", unit="bytes")
            for name in ("read", "image", "kernel", "initramfs")
        ]
        found += [
            trial(0, *values, workload="neighbours-cpu", family="neighbours", parameters={"stressor": "cpu"}, **common),
            trial(0, *shop, workload="services-place", family="services", **common),
            trial(0, *engine, metric(0.3, name="launch.total", primary=True), **common),
            trial(0, rate, workload="cpu", family="cpu", duet=True, **common),
            trial(0, *deploy, *sizes, workload="deploy-static", family="deploy", **common, details=DeployDetails(
                layers={"1": (layer,), "2": (layer,)}, read=ImageRead(method=sentences()["deploy.by_cache"]),
            )),
            trial(0, workload="isolation", family="isolation", **common, details=IsolationDetails(
                attempts=attempts, fingerprint=own, same_kernel=runner != GUEST,
            )),
            *(trial(0, metric(2.0 * count, name="scaling.speedup"), metric(9.0, name="scaling.rate", unit="ops/s"), workload=f"scale-{count}",
                    family="scaling", **common, details=ScalingDetails(threads=count)) for count in (1, 2)),
        ]  # fmt: skip
    job = {"timeline": {"started": 0, "finished": 500_000_000}, "accelerator": "kvm", "runner": GUEST}
    counted = [
        metric(value, name=name, unit="count", source="kvm: QMP query-stats") for name, value in kvm.items()
    ]
    found.append(trial(0, *counted, rate, workload="cpu", family="cpu", **job))
    numbered = (msgspec.structs.replace(one, number=n) for n, one in enumerate(found))
    return of_trials(
        *numbered, probes=probes(usable=True), limits=seen_limits(), plan={"limits": {"cpus": 1}}
    )


def probes(*, usable: bool, present: bool = True) -> dict[str, ProbeRecord]:
    """Say of KVM whether it is there and works."""
    exits = ("exit_out", "exit_mmio", "exit_hlt", "exit_cpuid", "create_vm")
    figures: dict[str, float | None] = {f"{name}_seconds": 1e-5 for name in exits}
    reason = sentences()["kvm.works" if usable else "kvm.emulates_kernel_mode" if present else "kvm.enoent"]
    baseline = KvmBaseline(
        present=present, usable=usable, accelerated=usable, nested=False, reason=reason, figures=figures
    )
    return {"bare": ProbeRecord(ok=True), GUEST: ProbeRecord(ok=True, kvm=baseline)}


def seen_limits() -> dict[str, LimitsSeen]:
    """Make what jobs saw of their limits: kept, and not kept."""
    kept = LimitsSeen(
        cpus=(0,), memory_seen_bytes=1 << 28, cgroup_files={"cpu.max": "max"}, guest=False,
        memory=MemoryProbe(end="killed", reached_bytes=1 << 28, by="x"), pids=PidsProbe(end="refused", reached=509, asked=512),
    )  # fmt: skip
    lost = msgspec.structs.replace(
        kept, pids=PidsProbe(end="held", asked=512, reached=528), verified="2026-01-01"
    )
    untried = msgspec.structs.replace(
        kept, memory=MemoryProbe(end="not tried", reached_bytes=0, by=sentences()["limits.too_slow"])
    )
    return {"bare": kept, "namespaces": lost, GUEST: untried}


def guests(*, usable: bool, present: bool) -> ReportInput:
    """Make a run of guests on a host whose KVM does not serve."""
    return with_manifest(unjudged(), probes=probes(usable=usable, present=present))


def ladder(folder: Path) -> ReportInput:
    """Make a run of the isolation ladder, judged as a report judges it."""
    return report_input(ladder_runs.run(folder, ladder_runs.COSTS).path)


def known_host() -> ReportInput:
    """Make a run on a host whose error rates are known, with its origin, its conditions, counts and files of every kind."""
    rates = [
        Rate(
            workload="cpu", runner="bare", metric="cpu", share=share, blocks=9, comparisons=99, distinct=9, relabelled=True, worse=1,
            better=0, same=98, undecided=0, half_width=0.01, mean_5=1, mean_150=0,
        )
        for share in (0.0, 0.03, 0.05)
    ]  # fmt: skip
    calibration = Calibration(
        format=FORMAT,
        host_class="x",
        created="2026-11-23",
        run="r",
        threshold=THRESHOLD,
        blocks=9,
        rates=rates,
    )
    told = sentences()
    states = [one for code, one in told.items() if code.startswith("condition.")]
    conditions = [
        {"name": CONDITIONS[n % len(CONDITIONS)], "state": one, "ok": bool(n % 2), "advice": one}
        for n, one in enumerate(states)
    ]
    origin = Provenance(
        commit="0" * 40,
        branch="main",
        dirty=True,
        argv=("tare", "run"),
        labels={"a": "b"},
        images=("redis@sha256:0",),
    )
    counts = CountsCompared("instructions.callgrind", "worse", 1.01, 1.01, told["beyond.floor"])
    given = with_manifest(
        unjudged(),
        host={"conditions": conditions},
        provenance=origin,
        context={"image": "x", "limits": {"cpus": 1}},
    )
    return msgspec.structs.replace(given, calibration=calibration, counts=counts)


def left_behind() -> ReportInput:
    """Make a run that could not remove what it made."""
    left = sentences()["place.cgroup_busy"]
    return states("interrupted", not_undone=(left, listed((left, remedy()))))


SHAPES = {
    "complete": plain,
    "empty": of_trials,
    "all failed": lambda: failing("failed"),
    "all timed out": lambda: failing("timeout"),
    "all invalid": lambda: failing("invalid"),
    "all skipped": lambda: failing("skipped"),
    "one runner": alone,
    "unjudged": unjudged,
    "quick": lambda: states(mode="quick"),
    "imported": lambda: states(mode="imported"),
    "half finished": lambda: states("running"),
    "left behind": left_behind,
    "damaged": damaged,
    "contents": contents,
    "KVM not usable": lambda: guests(usable=False, present=True),
    "no KVM": lambda: guests(usable=False, present=False),
    "known host": known_host,
    "every sentence": every_sentence,
}
"""Name → maker of a run of that shape; that of the ladder, :func:`ladder`, needs a folder."""
