"""Failures are grouped by what went wrong, with the last line that the program wrote."""

from support.results_making import trial
from tare.reports.summaries.failures import alike, failure_groups, failure_lines, shown_numbers


def failed(number, **changes):
    return trial(number, **{"outcome": "failed", "reason": "exit status 127", **changes})


def test_trials_that_failed_alike_are_one_group_with_the_first_last_line():
    trials = [
        trial(0, 1.0),
        failed(1),
        failed(2, last_line="sh: nothere: not found"),
        failed(3, last_line="another"),
        failed(4, runner="box"),
        failed(5, outcome="timeout", reason="still running", remedy="Give it longer."),
        trial(6, outcome="skipped", reason="no daemon"),
    ]
    first, box, late = failure_groups(trials)
    assert (first.numbers, first.total, first.last_line) == ((1, 2, 3), 5, "sh: nothere: not found")
    assert (box.runner, box.numbers, box.total) == ("box", (4,), 1)
    assert (late.outcome, late.reason) == ("timeout", "still running. Give it longer.")
    assert failure_lines((first, box, late)) == [
        "null on bare: 3 of 5 trials failed: exit status 127; last line: sh: nothere: not found",
        "null on box: 1 of 1 trial failed: exit status 127",
        "null on bare: 1 of 5 trials timed out: still running. Give it longer.",
    ]


def test_parameters_keep_groups_apart_and_many_numbers_are_cut_short():
    trials = [failed(number, parameters={"bs": "4k"}) for number in range(9)]
    trials += [failed(9, parameters={"bs": "64k"})]
    small, large = failure_groups(trials)
    assert shown_numbers([small]) == "0, 1, 2, 3, 4, …"
    assert shown_numbers([large]) == "9"
    assert failure_lines((large,)) == ["null [bs=64k] on bare: 1 of 1 trial failed: exit status 127"]


def test_what_runners_have_in_common_is_said_once():
    trials = [failed(number, runner=runner) for number, runner in enumerate(("bare", "box", "bare", "pod"))]
    trials += [
        trial(4, 1.0, runner="pod"),
        failed(5, runner="vm", last_line="no space"),
        failed(6, workload="other"),
    ]
    together, apart, other = alike(failure_groups(trials))
    assert [one.runner for one in together] == ["bare", "box", "pod"]
    assert shown_numbers(together) == "0, 1, 2, 3"
    assert failure_lines((*together, *apart, *other)) == [
        "null on bare, box, pod: 4 of 5 trials failed: exit status 127",
        "null on vm: 1 of 1 trial failed: exit status 127; last line: no space",
        "other on bare: 1 of 1 trial failed: exit status 127",
    ]
