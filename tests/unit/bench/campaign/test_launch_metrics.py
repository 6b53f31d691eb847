import pytest

from tare.bench.campaign.launch_metrics import contradiction, launch_metrics

CONTAINER = {
    "requested": 0,
    "spawned": 400_000,
    "agent": 900_000,
    "ready": 950_000,
    "started": 960_000,
    "finished": 970_000,
    "gone": 1_500_000,
}


def test_every_phase_whose_marks_are_there_becomes_a_metric():
    values = {metric.name: metric.value for metric in launch_metrics(CONTAINER, 0.0)}
    assert values["launch.total"] == pytest.approx(0.0015)
    assert values["launch.start"] == pytest.approx(0.0009)
    assert "launch.kernel" not in values


def test_a_container_that_is_made_by_three_commands_has_their_phases():
    apart = CONTAINER | {"created": 700_000, "ended": 1_000_000}
    assert not contradiction(apart, 0.0)
    values = {metric.name: metric.value for metric in launch_metrics(apart, 0.0)}
    assert values["launch.create"] == pytest.approx(0.0007)
    assert values["launch.begin"] == pytest.approx(0.0002)
    assert values["launch.delete"] == pytest.approx(0.0005)
    assert values["launch.teardown"] == pytest.approx(0.00053)
    assert "'agent' comes" in contradiction(CONTAINER | {"created": 910_000}, 0.0)


def test_exactly_the_total_is_primary_and_its_clock_is_the_hosts_in_guests_too():
    metrics = launch_metrics({**CONTAINER, "kernel": 500_000}, clock_error=1e-4)
    assert [metric.name for metric in metrics if metric.primary] == ["launch.total"]
    by_name = {metric.name: metric for metric in metrics}
    assert by_name["launch.total"].clock == "host-monotonic"
    assert by_name["launch.total"].error is None
    assert by_name["launch.start"].clock == "guest-mapped"
    assert by_name["launch.start"].error == 1e-4


def test_marks_out_of_order_contradict_the_timeline():
    assert not contradiction(CONTAINER, 0.0)
    assert "'ready' comes" in contradiction({**CONTAINER, "ready": 100_000}, 0.0)


def test_a_mapped_mark_may_be_off_by_the_clocks_error_and_no_more():
    guest = {"requested": 0, "spawned": 1_000_000, "kernel": 950_000, "agent": 2_000_000}
    assert not contradiction(guest, clock_error=1e-4)
    assert contradiction(guest, clock_error=1e-5)


def test_marks_of_one_clock_get_no_slack():
    assert contradiction({"agent": 2_000_000, "ready": 1_999_000}, clock_error=1.0)


def test_an_unknown_mark_is_a_contradiction():
    assert "unknown" in contradiction({"requested": 0, "born": 1}, 0.0)


def test_a_restored_guest_has_its_restoration_instead_of_a_boot():
    restored = {mark: at for mark, at in CONTAINER.items() if mark != "agent"} | {"restored": 930_000}
    assert not contradiction(restored, 1e-4)
    values = {metric.name: metric.value for metric in launch_metrics(restored, 1e-4)}
    assert values["launch.restore"] == pytest.approx(0.00093)
    assert "launch.start" not in values
