"""The section on guests: exits, the model beside the loss, KVM's baseline cost, memory."""

import pytest
from msgspec.structs import replace

from support.synthetic import make_input
from tare.reports.content.nodes import Details, Table
from tare.reports.content.page import Page
from tare.reports.content.sections import banners, guests
from tare.reports.model import ReportInput
from tare.reports.summaries.exits import exits
from tare.reports.summaries.run import Summary
from tare.reports.text.repeated import repeat
from tare.reports.text.words import words
from tare.results.environment import KvmBaseline, ProbeRecord
from tare.results.record import Metric, Trial

FIGURES = {
    "exit_out_seconds": 10e-6,
    "exit_mmio_seconds": 20e-6,
    "exit_hlt_seconds": 5e-6,
    "exit_cpuid_seconds": 1e-6,
}
BASELINE = KvmBaseline(
    present=True,
    usable=True,
    accelerated=True,
    nested=False,
    reason="guest kernel mode runs at the speed of user mode",
    figures=FIGURES,
)
VALUES = {
    "kvm.exits": 10_000.0,
    "kvm.exits.io": 1000.0,
    "kvm.exits.mmio": 500.0,
    "kvm.exits.halt": 500.0,
    "guest_memory.ram": 64.0 * (1 << 20),
    "guest_memory.overhead": 20.0 * (1 << 20),
    "guest_memory.ram_merged": 0.0,
}


def trial(number=1, **values):
    metrics = tuple(
        Metric(name=name, value=value, unit="count", direction="lower", source="kvm: QMP query-stats")
        for name, value in {**VALUES, **values}.items()
    )
    rate = Metric(name="events", value=400.0, unit="ops/s", direction="higher", primary=True)
    return Trial(
        run="r", number=number, workload="cpu", family="cpu", runner="qemu-microvm", accelerator="kvm",
        block=number, outcome="ok", timeline={"started": 0, "finished": 500_000_000}, metrics=(*metrics, rate),
    )  # fmt: skip


def page_of(*trials, baseline=BASELINE, language="en"):
    manifest = make_input().manifest
    if baseline is not None:
        probes = {"bare": ProbeRecord(ok=True), "qemu-microvm": ProbeRecord(ok=True, kvm=baseline)}
        manifest = replace(manifest, probes=probes)
    return Page(Summary(ReportInput(manifest, trials, ())), words(language))


def table(section):
    return next(node for node in section.body if isinstance(node, Table))


def test_the_model_is_exits_by_class_times_their_cost():
    ((_, one),) = exits(page_of(trial()).summary).items()
    assert one.by_class == {"io": 1000, "mmio": 500, "halt": 500, "others": 8000}
    # (1000 × 10 + 500 × 20 + 500 × 5 + 8000 × 1) µs of 0.5 s
    assert one.modelled_share(FIGURES) == pytest.approx(0.0305 / 0.5)


def test_a_class_whose_cost_is_not_known_leaves_no_model():
    ((_, one),) = exits(page_of(trial()).summary).items()
    assert one.modelled_share({**FIGURES, "exit_mmio_seconds": None}) is None
    ((_, without),) = exits(page_of(trial(**{"kvm.exits.mmio": 0.0})).summary).items()
    assert without.modelled_share({**FIGURES, "exit_mmio_seconds": None}) is not None


def test_exits_are_counted_for_each_unit_of_work():
    section = guests.section(page_of(trial(1), trial(2, **{"kvm.exits": 12_000.0}), trial(3)))
    (row,) = table(section).rows
    assert row[3].value == pytest.approx(10_000 / 0.5)
    assert row[4].value == pytest.approx(10_000 / (400 * 0.5))
    assert row[4].text == "50 per op"
    assert "port I/O 1,000" in row[3].detail


def test_memory_is_a_median_by_runner():
    section = guests.section(page_of(trial(1), trial(2, **{"guest_memory.ram": 70.0 * (1 << 20)}), trial(3)))
    found = next(t for t in _folded(section) if t.keys == ("memory|qemu-microvm|guest",))
    assert [cell.text for cell in found.rows[0][1:]] == ["3", "64.0 MiB", "20.0 MiB", "0 B"]


def _folded(section):
    return [
        node for details in section.body if isinstance(details, Details) for node in details.body
        if isinstance(node, Table)
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    "baseline",
    [
        BASELINE,
        replace(BASELINE, usable=False),
        replace(BASELINE, present=False, usable=False, figures={}, reason="there is no /dev/kvm"),
    ],
)
def test_every_state_of_kvm_is_told(baseline, language):
    section = guests.section(page_of(baseline=baseline, language=language))
    assert repeat(baseline.reason, words(language)) in str(section.body[:2])


def test_a_run_without_guests_has_no_such_section():
    assert guests.section(page_of(baseline=None)) is None


def test_a_restored_guest_has_its_place_in_the_start_up_section():
    marks = {
        "requested": 0,
        "spawned": 1,
        "restored": 300,
        "ready": 400,
        "started": 500,
        "finished": 600,
        "gone": 900,
    }
    line = {mark: at * 1_000_000 for mark, at in marks.items()}
    restored = replace(trial(), runner="qemu-microvm-restored", timeline=line)
    ((_, by_runner),) = page_of(restored).summary.startup.items()
    found = by_runner["qemu-microvm-restored"]
    assert found.marks["restored"] == pytest.approx(0.299)
    assert found.inside == pytest.approx(0.2)
    assert found.end_to_end == pytest.approx(0.9)


@pytest.mark.parametrize(("usable", "warned"), [(False, True), (True, False)])
def test_kvm_that_was_taken_in_spite_of_what_it_is_is_told_before_all_else(usable, warned):
    baseline = replace(BASELINE, usable=usable, reason="KVM emulates guest kernel mode here")
    made = banners.section(page_of(trial(), baseline=baseline))
    said = " ".join(str(node) for node in made.body) if made else ""
    assert ("qemu-microvm: KVM was requested explicitly" in said) is warned
    assert ("emulates guest kernel mode" in said) is warned
