"""Every rule is tested on made-up runs for each outcome: supported, refuted, depends, and not measured with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from support.claims import (
    EMULATED,
    GUEST,
    burst,
    compared,
    delivered,
    every,
    kvm_unusable,
    looked,
    opened,
    ran,
    skipped,
    verdict_on,
)
from support.results_making import manifest
from tare.results.judgement.claims.declared import CLAIMS
from tare.results.judgement.claims.evidence import Evidence
from tare.results.judgement.claims.verdict import judge_claims

if TYPE_CHECKING:
    from tare.results.judgement.claims.model import ClaimVerdict
    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Trial

WORK = ("cpu", "memory", "kernel", "disk")
SHAPES = ("services-one", "services-place", "services-places")
RUN = "20261123-191748-k3f9"


def told(verdict: ClaimVerdict) -> tuple[str, str]:
    return verdict.outcome, verdict.reason.code


def exiting(
    costs: dict[str, tuple[float, float]], runner: str = GUEST
) -> tuple[list[Trial], list[Comparison]]:
    """Make a guest's workloads: name → (cost, exits of a job of one second)."""
    trials = [
        msgspec.structs.replace(
            ran(name, runner, metrics={"kvm.exits": exits}),
            timeline={"started": 1, "finished": 1_000_000_001},
        )
        for name, (_, exits) in costs.items()
    ]
    return trials, [compared(name, runner, cost, cost * 1.01, "worse") for name, (cost, _) in costs.items()]


class TestHypervisorTax:
    claim = "hypervisor-tax"

    def test_a_loss_in_the_order_of_the_exits_supports_it(self):
        costs = {"cpu": (1.05, 10.0), "memory": (1.1, 90.0), "kernel": (1.5, 4e3), "disk": (4.0, 9e4)}
        verdict = verdict_on(self.claim, *exiting(costs))
        assert told(verdict) == ("supported", "exits_explain")
        assert verdict.reason.values["correlation"] == 1.0
        assert verdict.command == ""

    def test_a_loss_that_exits_do_not_explain_depends(self):
        costs = {"cpu": (4.0, 10.0), "memory": (1.5, 90.0), "kernel": (1.1, 4e3), "disk": (1.05, 9e4)}
        assert told(verdict_on(self.claim, *exiting(costs))) == ("depends", "exits_disagree")

    def test_a_loss_whose_exits_were_not_counted_depends(self):
        rows = [compared("cpu", GUEST, 1.1, 1.2, "worse"), compared("disk", GUEST, 0.99, 1.01, "same")]
        verdict = verdict_on(self.claim, every(WORK, GUEST), rows)
        assert told(verdict) == ("depends", "exits_uncounted")
        assert verdict.reason.values == {"lost": 1, "n": 2}

    def test_no_loss_anywhere_refutes_it(self):
        rows = [compared(name, GUEST, 0.99, 1.01, "same") for name in WORK]
        assert told(verdict_on(self.claim, every(WORK, GUEST), rows)) == ("refuted", "against")

    def test_undecided_workloads_are_not_measured_and_the_run_can_go_on(self):
        rows = [compared(name, GUEST, 0.9, 1.2, "undecided") for name in WORK]
        verdict = verdict_on(self.claim, every(WORK, GUEST), rows)
        assert told(verdict) == ("undecided", "undecided")
        assert verdict.command == f"tare run --resume {RUN} --budget 10m"

    @pytest.mark.parametrize(("low", "high", "kind"), [(5.0, 6.0, "worse"), (0.99, 1.01, "same")])
    def test_an_emulated_guest_neither_supports_nor_refutes_it(self, low, high, kind):
        rows = [compared(name, EMULATED, low, high, kind) for name in WORK]
        verdict = verdict_on(self.claim, every(WORK, EMULATED), rows)
        assert told(verdict) == ("unmeasured", "emulated")
        assert verdict.command == "tare run -k hypervisor-tax --runners bare,qemu-microvm"
        assert {(f.label, f.tells) for f in verdict.findings} == {("emulated", "uncounted")}

    def test_a_kvm_that_emulates_kernel_mode_neither_supports_nor_refutes_it(self):
        rows = [compared(name, GUEST, 5.0, 6.0, "worse") for name in WORK]
        verdict = verdict_on(self.claim, every(WORK, GUEST), rows, probes=kvm_unusable())
        assert told(verdict) == ("unmeasured", "kvm_unusable")

    def test_a_skipped_guest_is_told_with_the_recorded_reason(self):
        trials = [*every(WORK, "bare"), skipped("cpu", GUEST)]
        found = Evidence(manifest(), tuple(trials), (), {GUEST: "guest"})
        assert told(judge_claims(found)[0]) == ("unmeasured", "skipped")


class TestContainerNearZero:
    claim = "container-near-zero"

    def judged(self, *rows: Comparison) -> ClaimVerdict:
        return verdict_on(self.claim, every(WORK, "namespaces"), rows)

    def test_all_inside_the_margin_support_it(self):
        assert told(self.judged(*(compared(name, "namespaces", 0.99, 1.01, "same") for name in WORK))) == (
            "supported",
            "for",
        )

    def test_all_beyond_refute_it(self):
        assert (
            told(self.judged(*(compared(name, "docker", 1.1, 1.2, "worse") for name in WORK)))[0] == "refuted"
        )

    def test_an_exception_makes_it_depend(self):
        rows = [compared(name, "namespaces", 0.99, 1.01, "same") for name in WORK]
        verdict = self.judged(*rows, compared("network", "docker", 1.3, 1.4, "worse"))
        assert told(verdict) == ("depends", "mixed")
        assert verdict.reason.values == {"good": 4, "bad": 1, "open": 0, "n": 5}

    def test_what_costs_less_is_an_exception_as_well(self):
        assert self.judged(compared("cpu", "namespaces", 0.8, 0.9, "better")).findings[0].tells == "against"

    def test_a_verdict_by_a_wider_threshold_does_not_count_as_no_loss(self):
        assert self.judged(compared("cpu", "namespaces", 0.96, 1.04, "same")).findings[0].tells == "open"

    def test_too_few_decided_workloads_leave_it_open(self):
        rows = [compared("cpu", "namespaces", 0.99, 1.01, "same")]
        rows += [compared(name, "namespaces", 0.9, 1.1, "undecided") for name in WORK[1:]]
        assert told(self.judged(*rows)) == ("undecided", "undecided")

    def test_cpu_decides_where_time_does_not(self):
        rows = (
            compared("cpu", "namespaces", 0.9, 1.1, "undecided"),
            compared("cpu", "namespaces", 0.995, 1.005, "same", by_cpu=True),
        )
        (finding,) = self.judged(*rows).findings
        assert (finding.measure, finding.tells) == ("cpu", "for")

    def test_a_sandbox_stands_beside_and_does_not_count(self):
        rows = [compared(name, "namespaces", 0.99, 1.01, "same") for name in WORK]
        assert self.judged(*rows, compared("cpu", "runsc", 1.4, 1.5, "worse")).outcome == "supported"

    def test_a_run_of_other_workloads_says_what_would_measure_it(self):
        verdict = verdict_on(self.claim, [ran("null", "namespaces")])
        assert told(verdict) == ("unmeasured", "not_planned")
        assert verdict.command == "tare run -k container-near-zero --runners bare,namespaces"


def boots(runner: str, disk: float, boot: float) -> Trial:
    return ran(
        "deploy-python", runner, metrics={
            "deploy.disk-qcow2.moved": disk, "deploy.disk-qcow2.compressed": disk / 2, "deploy.kernel": boot,
            "deploy.initramfs": boot,
        },
    )  # fmt: skip


class TestVmImageLarge:
    claim = "vm-image-large"
    layers = staticmethod(lambda: ran(
        "deploy-python", "namespaces", metrics={"deploy.layers-empty.moved": 100.0, "deploy.layers-empty.compressed": 50.0}
    ))  # fmt: skip

    def test_larger_files_support_it_also_where_the_guest_was_emulated(self):
        verdict = verdict_on(self.claim, [self.layers(), boots(EMULATED, 110.0, 20.0)])
        assert verdict.outcome == "supported"
        assert {f.measure: f.effect.value for f in verdict.findings if f.effect} == {
            "image_bytes": 1.5,
            "image_compressed": 1.9,
        }

    def test_smaller_files_refute_it(self):
        assert verdict_on(self.claim, [self.layers(), boots(GUEST, 50.0, 1.0)]).outcome == "refuted"

    def test_files_that_are_larger_only_when_compressed_depend(self):
        assert told(verdict_on(self.claim, [self.layers(), boots(GUEST, 90.0, 4.0)])) == ("depends", "mixed")

    def test_without_a_guest_there_is_nothing_to_compare(self):
        verdict = verdict_on(self.claim, [self.layers()])
        assert told(verdict) == ("unmeasured", "no_guest")
        assert verdict.command == "tare run -k vm-image-large --runners bare,namespaces,qemu-microvm"


class TestImageSmall:
    claim = "image-small"

    @pytest.mark.parametrize(
        ("share", "outcome"), [(0.95, ("supported", "for")), (0.1, ("depends", "read_share"))]
    )
    def test_it_is_judged_by_what_is_read_before_the_first_answer(self, share, outcome):
        found = ran(
            "deploy-python", "namespaces", metrics={"deploy.read": share * 100, "deploy.image": 100.0}
        )
        assert told(verdict_on(self.claim, [found])) == outcome

    def test_skipped_deployments_are_told_with_the_recorded_reason(self):
        verdict = verdict_on(self.claim, [skipped("deploy-python", "namespaces")])
        assert told(verdict) == ("unmeasured", "skipped")
        assert verdict.reason.recorded == ("It is not here. Fetch it.",)


class TestKernelShared:
    claim = "kernel-shared"

    def test_a_shared_kernel_and_one_of_the_guest_s_own_support_it(self):
        trials = [looked("bare"), looked("namespaces"), looked(EMULATED, same_kernel=False)]
        assert verdict_on(self.claim, trials).outcome == "supported"

    def test_the_opposite_refutes_it(self):
        trials = [looked("namespaces", same_kernel=False), looked(GUEST)]
        assert verdict_on(self.claim, trials).outcome == "refuted"

    def test_one_container_with_another_kernel_makes_it_depend(self):
        trials = [looked("namespaces"), looked("docker", same_kernel=False), looked(GUEST, same_kernel=False)]
        assert verdict_on(self.claim, trials).outcome == "depends"

    def test_half_of_it_is_not_enough(self):
        assert told(verdict_on(self.claim, [looked("namespaces")])) == ("unmeasured", "no_guest")


class TestHostUntouched:
    claim = "host-untouched"

    def test_a_container_without_an_open_attempt_supports_it(self):
        assert verdict_on(self.claim, [looked("namespaces")]).outcome == "supported"

    def test_an_open_attempt_refutes_it_and_is_listed(self):
        verdict = verdict_on(self.claim, [looked("namespaces", opened=["set-time", "reboot"])])
        assert verdict.outcome == "refuted"
        assert verdict.findings[0].names == ("set-time", "reboot")

    def test_an_attempt_that_only_looks_is_listed_and_not_counted(self):
        verdict = verdict_on(self.claim, [looked("namespaces", opened=["read-kernel-log"])])
        assert (verdict.outcome, verdict.findings[0].names) == ("supported", ("read-kernel-log",))

    def test_it_depends_on_the_runner(self):
        trials = [looked("namespaces"), looked("lxc", opened=["reboot"])]
        assert verdict_on(self.claim, trials).outcome == "depends"

    @pytest.mark.parametrize(
        ("runner", "label"),
        [("docker:privileged", "privileged"), ("namespaces:chroot", "rung"), (GUEST, "guest")],
    )
    def test_other_places_stand_beside_and_do_not_count(self, runner, label):
        verdict = verdict_on(self.claim, [looked("namespaces"), looked(runner, opened=["reboot"])])
        assert verdict.outcome == "supported"
        assert (verdict.findings[1].label, verdict.findings[1].tells) == (label, "uncounted")

    def test_privileged_containers_alone_give_no_verdict(self):
        assert told(verdict_on(self.claim, [looked("docker:privileged")])) == ("unmeasured", "no_values")


class TestSameEverywhere:
    claim = "same-everywhere"
    facts: ClassVar[dict[str, str | int]] = {"libc.image": "glibc 2.36", "kernel.boot_id": "a", "cpu.seen": 2}

    def judged(self, **changes: str | int) -> ClaimVerdict:
        return verdict_on(
            self.claim, [looked("bare", facts=self.facts), looked("namespaces", facts=self.facts | changes)]
        )

    def test_the_same_facts_support_it_whatever_the_place_is_called(self):
        assert self.judged(**{"kernel.boot_id": "b"}).outcome == "supported"

    def test_another_fact_of_the_place_makes_it_depend(self):
        verdict = self.judged(**{"cpu.seen": 1})
        assert told(verdict) == ("depends", "facts_differ")
        assert verdict.findings[0].names == ("cpu.seen",)

    def test_what_the_host_s_root_has_besides_the_image_does_not_refute_it(self):
        assert self.judged(**{"libc.system": "none"}).outcome == "depends"

    def test_another_fact_of_the_image_refutes_it(self):
        assert self.judged(**{"libc.image": "musl"}).outcome == "refuted"

    def test_without_the_host_s_facts_it_is_not_measured(self):
        assert told(verdict_on(self.claim, [looked("namespaces")])) == ("unmeasured", "no_values")


class TestDeploySimple:
    claim = "deploy-simple"

    def test_a_server_that_answers_supports_it(self):
        assert verdict_on(self.claim, [ran("deploy-static", "namespaces")]).outcome == "supported"

    def test_a_server_that_never_answers_refutes_it(self):
        lost = msgspec.structs.replace(
            ran("deploy-static", "namespaces"), outcome="failed", reason="no answer"
        )
        assert told(verdict_on(self.claim, [lost])) == ("refuted", "against")
        both = [lost, ran("deploy-python", "namespaces")]
        assert verdict_on(self.claim, both).outcome == "depends"

    def test_a_guest_alone_says_nothing(self):
        verdict = verdict_on(self.claim, [ran("deploy-static", GUEST)])
        assert told(verdict) == ("unmeasured", "no_container")


class TestLayersFast:
    claim = "layers-fast"

    def judged(self, ratio: float, *more: Trial) -> ClaimVerdict:
        trials = [
            delivered(
                "deploy-python", "namespaces", block,
                layers_cached={"total": 1.0, "moved": 10.0}, layers_empty={"total": ratio + block / 1e3, "moved": 10.0 * ratio},
            )
            for block in range(7)
        ]  # fmt: skip
        return verdict_on(self.claim, [*trials, *more])

    def test_reuse_that_saves_time_and_bytes_supports_it(self):
        assert self.judged(3.0).outcome == "supported"

    def test_reuse_that_saves_nothing_refutes_it(self):
        assert self.judged(1.0).outcome == "refuted"

    def test_it_depends_where_a_backing_file_moves_as_little(self):
        disk = delivered("deploy-python", GUEST, disk_qcow2={"moved": 400.0}, disk_backing={"moved": 5.0})
        verdict = self.judged(3.0, disk)
        assert told(verdict) == ("depends", "mixed")
        assert [f.measure for f in verdict.findings if f.tells == "against"] == ["backing_bytes"]

    def test_times_of_emulated_guests_do_not_count(self):
        disk = delivered("deploy-python", EMULATED, disk_qcow2={"moved": 400.0, "total": 0.1})
        verdict = self.judged(3.0, disk)
        assert verdict.outcome == "supported"
        assert [(f.measure, f.label) for f in verdict.findings if not f.counted] == [
            ("whole_time", "emulated")
        ]

    def test_one_trial_has_no_interval_and_decides_no_time(self):
        way = {"total": 1.0}
        one = delivered("deploy-python", "namespaces", layers_cached=way, layers_empty={"total": 3.0})
        assert told(verdict_on(self.claim, [one])) == ("undecided", "undecided")


class TestSecondsToStart:
    claim = "seconds-to-start"

    def judged(self, container: float, guest: float, runner: str = GUEST) -> ClaimVerdict:
        trials = [
            ran("null", name, block=block, metrics={"launch.total": seconds * (1 + block / 1e3)})
            for block in range(8)
            for name, seconds in (("namespaces", container), (runner, guest))
        ]
        return verdict_on(self.claim, trials)

    def test_quick_starts_that_guests_do_not_reach_support_it(self):
        assert self.judged(0.1, 1.0).outcome == "supported"

    def test_slow_starts_that_guests_undercut_refute_it(self):
        assert self.judged(9.0, 1.0).outcome == "refuted"

    def test_quick_starts_that_guests_undercut_depend(self):
        verdict = self.judged(1.0, 0.5)
        assert told(verdict) == ("depends", "mixed")
        assert [f.measure for f in verdict.findings if f.tells == "against"] == ["start_ratio"]

    def test_emulated_guests_do_not_count(self):
        verdict = self.judged(1.0, 0.5, EMULATED)
        assert verdict.outcome == "supported"
        assert {f.label for f in verdict.findings if not f.counted} == {"emulated"}

    def test_the_slowest_of_few_starts_and_the_99th_percentile_of_many_count(self):
        verdict = verdict_on(self.claim, [burst("namespaces", 7.0)])
        assert (verdict.outcome, verdict.findings[0].measure) == ("refuted", "at_once")
        many = [
            ran("null", "namespaces", block=n, metrics={"launch.total": 9.0 if n == 0 else 1.0})
            for n in range(100)
        ]
        verdict = verdict_on(self.claim, many)
        assert verdict.outcome == "supported"
        assert verdict.findings[0].effect is not None
        assert verdict.findings[0].effect.method == "p99"


class TestManyAtOnce:
    claim = "many-at-once"

    @pytest.mark.parametrize(
        ("places", "growth", "outcome"),
        [
            (64, 1.1, ("supported", "for")),
            (64, 3.0, ("depends", "mixed")),
            (4, 3.0, ("refuted", "against")),
            (4, 1.0, ("undecided", "undecided")),
        ],
    )
    def test_it_takes_many_places_whose_starts_do_not_slow_down(self, places, growth, outcome):
        assert told(verdict_on(self.claim, [opened("namespaces", places, growth)])) == outcome


def slowed(
    runner: str, throughput: float, latency: float | None = None, workload: str = "neighbours-cpu"
) -> list[Trial]:
    """Make eight trials beside a stressor, with the slowdowns of both victims."""
    found = {"neighbours.throughput.apart": throughput, "neighbours.latency.apart": latency or throughput}
    return [
        ran(workload, runner, block=n, metrics={name: value + n / 1e4 for name, value in found.items()})
        for n in range(8)
    ]


class TestVmIndependent:
    claim = "vm-independent"

    def test_victims_that_keep_their_performance_support_it(self):
        verdict = verdict_on(self.claim, [*slowed(GUEST, 1.01), *slowed(GUEST, 0.99, 0.8, "neighbours-disk")])
        assert told(verdict) == ("supported", "for")
        assert [(f.workload, f.measure) for f in verdict.findings] == [
            ("neighbours-cpu", "kept"),
            ("neighbours-cpu", "kept_latency"),
            ("neighbours-disk", "kept"),
            ("neighbours-disk", "kept_latency"),
        ]

    def test_what_is_kept_is_the_inverse_of_the_slowdown(self):
        (first, second) = verdict_on(self.claim, slowed(GUEST, 2.0, 4.0)).findings
        assert first.effect is not None
        assert second.effect is not None
        assert first.effect.value == pytest.approx(0.5, 1e-3)
        assert second.effect.value == pytest.approx(0.25, 1e-3)

    def test_victims_that_are_slowed_down_refute_it(self):
        assert told(verdict_on(self.claim, slowed(GUEST, 1.5))) == ("refuted", "against")

    def test_it_depends_on_the_stressor_and_on_the_victim(self):
        trials = [*slowed(GUEST, 1.01), *slowed(GUEST, 1.5, workload="neighbours-memory")]
        assert told(verdict_on(self.claim, trials)) == ("depends", "mixed")
        assert told(verdict_on(self.claim, slowed(GUEST, 1.01, 1.5))) == ("depends", "mixed")

    def test_an_interval_across_the_limit_leaves_it_open(self):
        wide = [
            ran("neighbours-cpu", GUEST, block=n, metrics={"neighbours.throughput.apart": 0.85 + n / 20})
            for n in range(8)
        ]
        assert told(verdict_on(self.claim, wide)) == ("undecided", "undecided")

    def test_an_emulated_guest_does_not_count_and_neither_does_a_container(self):
        verdict = verdict_on(self.claim, [*slowed(EMULATED, 1.0), *slowed("namespaces", 3.0)])
        assert told(verdict) == ("unmeasured", "emulated")
        assert {f.label for f in verdict.findings} == {"emulated", "other"}
        assert (
            verdict_on(self.claim, [*slowed(GUEST, 1.0), *slowed("namespaces", 3.0)]).outcome == "supported"
        )

    def test_without_a_guest_it_says_what_would_measure_it(self):
        verdict = verdict_on(self.claim, slowed("namespaces", 1.0))
        assert told(verdict) == ("unmeasured", "no_guest")
        assert verdict.command == "tare run -k vm-independent --runners bare,qemu-microvm"

    def test_pairs_of_different_runners_say_nothing_of_guests(self):
        pair = [
            msgspec.structs.replace(one, family="neighbour-pairs", workload="neighbours-cpu-in-bare")
            for one in slowed(GUEST, 3.0)
        ]
        assert told(verdict_on(self.claim, [*slowed(GUEST, 1.0), *pair])) == ("supported", "for")


class TestMicroservices:
    claim = "microservices"

    def judged(self, *rows: Comparison) -> ClaimVerdict:
        return verdict_on(self.claim, every(SHAPES, "namespaces"), rows)

    @staticmethod
    def row(shape: str, low: float, high: float, verdict: Any, runner: str = "namespaces") -> Comparison:
        return compared(shape, runner, low, high, verdict, family="services")

    def test_shapes_that_cost_no_more_than_the_margin_support_it(self):
        rows = [self.row(shape, 1.0, 1.05, "same") for shape in SHAPES]
        assert told(self.judged(*rows)) == ("supported", "for")

    def test_shapes_that_all_cost_more_refute_it(self):
        assert told(self.judged(*(self.row(shape, 1.3, 1.4, "worse") for shape in SHAPES)))[0] == "refuted"

    def test_a_hop_between_places_makes_it_depend(self):
        rows = [self.row("services-one", 0.99, 1.02, "same"), self.row("services-places", 1.5, 1.6, "worse")]
        verdict = self.judged(*rows)
        assert told(verdict) == ("depends", "mixed")
        assert [f.workload for f in verdict.findings if f.tells == "against"] == ["services-places"]

    def test_what_is_undecided_is_not_measured(self):
        rows = [self.row(shape, 0.9, 1.2, "undecided") for shape in SHAPES]
        assert told(self.judged(*rows)) == ("undecided", "undecided")

    def test_guests_and_sandboxes_stand_beside_and_do_not_count(self):
        rows = [self.row("services-one", 1.0, 1.05, "same")]
        rows += [self.row("services-one", 3.0, 4.0, "worse", runner) for runner in (GUEST, EMULATED, "runsc")]
        verdict = self.judged(*rows)
        assert told(verdict) == ("supported", "for")
        assert [f.label for f in verdict.findings] == ["", "guest", "emulated", "sandbox"]

    def test_a_run_without_it_says_what_would_measure_it(self):
        verdict = verdict_on(self.claim, [ran("null", "namespaces")])
        assert told(verdict) == ("unmeasured", "not_planned")
        assert verdict.command == "tare run -k microservices --runners bare,namespaces"


def test_an_imported_run_gives_no_verdict_at_all():
    rows = [compared(name, "namespaces", 0.99, 1.01, "same") for name in WORK]
    verdict = verdict_on("container-near-zero", every(WORK, "namespaces"), rows, mode="imported")
    assert told(verdict) == ("unmeasured", "imported")


def test_every_claim_of_an_empty_run_says_why_and_how_it_would_be_measured():
    for verdict in judge_claims(Evidence(manifest(), (), ())):
        assert told(verdict) == ("unmeasured", "not_planned")
        assert verdict.command.startswith(f"tare run -k {verdict.claim} ")


def test_every_kind_of_rule_is_applied_and_kept_beside_its_verdict():
    verdicts = judge_claims(Evidence(manifest(), (), ()))
    assert [verdict.claim for verdict in verdicts] == [claim.id for claim in CLAIMS]
    assert [verdict.rule for verdict in verdicts] == [claim.rule for claim in CLAIMS]
