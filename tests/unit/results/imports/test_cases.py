"""Recorded inputs that went wrong once, each with the right value; relatives of them, made here."""

import json
import statistics

import pytest

from support.paths import GOLDEN
from tare.bench.__main__ import main
from tare.bench.analysis.comparison import compare_stored
from tare.results.imports import import_file, read_file
from tare.results.imports.model import ImportFault
from tare.results.judgement.between_runs import compare_runs
from tare.results.storage.find import find_run
from tare.results.storage.load import load_run

CASES = GOLDEN / "cases"
FIO = CASES / "fio"


def trials(path):
    return read_file(path)[0].trials


def only(path):
    (found,) = trials(path)
    return found


def values(trial):
    return {metric.name: metric.value for metric in trial.metrics}


def fio(tmp_path, *jobs, name="made.json", **more):
    """Write a file of fio 3 of these jobs; each is completed by what every job has."""
    whole = {"error": 0, "groupid": 0, "jobname": "job", "read": {"total_ios": 10, "iops": 5.0}}
    path = tmp_path / name
    path.write_text(
        json.dumps({"fio version": "fio-3.36", **more, "jobs": [{**whole, **job} for job in jobs]})
    )
    return path


@pytest.mark.parametrize(
    ("name", "iops"),
    [("numjobs8", 61_426.7), ("numjobs8-again", 58_369.9), ("numjobs1", 21_333.3)],
)
def test_concurrent_jobs_of_fio_are_one_invocation_whose_iops_are_the_sum(name, iops):
    trial = only(FIO / f"{name}.json")
    assert values(trial)["fio.read.iops"] == pytest.approx(iops, abs=0.05)
    assert (trial.block, trial.invocation) == (0, 0)
    percentiles = [metric for metric in values(trial) if ".latency.p" in metric]
    assert bool(percentiles) == (name == "numjobs1")
    assert ("cannot be joined" in str(trial.notes)) == (name != "numjobs1")


def test_two_runs_of_one_invocation_each_are_undecided(tmp_path):
    runs = [
        load_run(import_file(FIO / f"{name}.json", tmp_path, name=name))
        for name in ("numjobs8", "numjobs8-again")
    ]
    found = compare_runs(*runs).comparisons
    assert {one.verdict for one in found} == {"undecided"}
    assert all(one.because.startswith("One invocation each") for one in found)


@pytest.mark.parametrize("name", ["jobs", "options"])
def test_sequential_groups_are_blocks_of_one_invocation_and_other_options_series_of_their_own(tmp_path, name):
    groups: list[dict[str, object]] = [{"groupid": 0}, {"groupid": 0}, {"groupid": 1}]
    if name == "options":
        groups = [{"job options": {"bs": size}} for size in ("4k", "4096", "64k")]
    found = trials(fio(tmp_path, *groups))
    if name == "jobs":
        assert [(t.block, t.invocation, values(t)["fio.read.iops"]) for t in found] == [
            (0, 0, 10.0),
            (1, 0, 5.0),
        ]
    else:
        assert [t.workload for t in found] == ["job", "job (2)", "job (3)"]


def test_reduced_clocks_of_fio_give_no_latency_but_a_note():
    trial = only(FIO / "fio_gtod.json")
    assert values(trial)["fio.read.iops"] == pytest.approx(29_681.2, abs=0.05)
    assert not [name for name in values(trial) if "latency" in name]
    assert "not measured" in trial.notes["read latency"]


def test_total_latency_stands_in_under_its_own_name():
    trial = only(FIO / "fio_noclat.json")
    assert values(trial)["fio.read.total_latency.mean"] == pytest.approx(37.7125e-6, abs=5e-11)
    assert not [name for name in values(trial) if ".latency." in name]


def test_unified_reporting_is_the_direction_mixed():
    found = values(only(FIO / "fio_mixed.json"))
    assert found["fio.mixed.iops"] == 32_000
    assert found["fio.mixed.bandwidth"] == 131_072_000
    assert found["fio.mixed.latency.mean"] == pytest.approx(30.781e-6, abs=5e-10)


@pytest.mark.parametrize("name", ["fio_v2", "fio_brace"])
def test_fio_2_and_remarks_with_a_brace(name):
    found = values(only(FIO / f"{name}.json"))
    assert found["fio.read.iops"] == 299.6
    assert found["fio.read.bandwidth"] == 1_228_800
    assert found["fio.read.latency.mean"] == pytest.approx(290.5e-6 if name == "fio_v2" else 290.5e-9)


@pytest.mark.parametrize(
    "remark", ["{", "{}", "{a,b}: no such file", "fio: {", '{"not": "it"}', "\n{ {\r\n", "a { b } c {"]
)
def test_remarks_of_any_form_stand_in_front(tmp_path, remark):
    path = fio(tmp_path, {})
    path.write_text(f"{remark}\n{path.read_text()}")
    assert values(only(path))["fio.read.iops"] == 5.0


@pytest.mark.parametrize(
    ("option", "here", "there"),
    [
        ("bs", "4k", "64k"), ("iodepth", "1", "32"), ("rw", "randread", "read"), ("ioengine", "psync", "libaio"),
        ("direct", "0", "1"), ("size", "4M", "1G"), ("numjobs", "1", "8"), ("bs", None, "64k"), ("fsync", None, "1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["global options", "job options"])
def test_unlike_job_options_are_refused_by_name(tmp_path, option, here, there, where):
    for name, value in (("base", here), ("head", there)):
        options = {"name": "job", **({} if value is None else {option: value})}
        job = {"job options": options if where == "job options" else {"name": "job"}}
        path = fio(tmp_path, job, **({"global options": options} if where == "global options" else {}))
        import_file(path, tmp_path / "runs", name=name)
    found = compare_stored(*(find_run(name, tmp_path / "runs") for name in ("base", "head")))
    (comparison,) = found.compared.comparisons
    assert comparison.refused
    assert f"fio.{option}" in comparison.because


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"bs": "4k"}, {"bs": "4096"}), ({"bs": "4KiB"}, {}), ({"direct": "0"}, {}),
        ({"filename": "/a"}, {"filename": "/b"}), ({"size": "1024M"}, {"size": "1g"}),
    ],
)  # fmt: skip
def test_like_job_options_are_not(tmp_path, here, there):
    contexts = [only(fio(tmp_path, {"job options": one})).context for one in (here, there)]
    assert contexts[0] == contexts[1]


def test_a_job_that_was_over_before_the_clock_moved_has_no_rate(tmp_path):
    trial = only(fio(tmp_path, {"read": {"total_ios": 1, "iops": 0.0, "runtime": 0}}))
    assert trial.outcome == "failed"
    assert not trial.metrics
    assert "no time" in trial.reason


def test_client_mode_is_refused_by_name(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"fio version": "fio-3.36", "client_stats": [{"jobname": "a"}]}')
    with pytest.raises(ImportFault, match="client_stats"):
        read_file(path)


def medians(found):
    series = {}
    for trial in found:
        series.setdefault(trial.workload, []).append(trial.metrics[0].value)
    return {name: statistics.median(one) for name, one in series.items()}


def test_two_results_of_one_name_stay_two_series(tmp_path):
    found = medians(trials(CASES / "hyperfine" / "same-name.json"))
    assert found == {"same": pytest.approx(0.011017, abs=5e-7), "same (2)": pytest.approx(0.051080, abs=5e-7)}
    path = tmp_path / "x.json"
    stats = [{"name": "t", "fullname": "a::t", "stats": {"data": [value]}} for value in (1.0, 2.0)]
    path.write_text(json.dumps({"benchmarks": stats}))
    assert medians(trials(path)) == {"a::t": 1.0, "a::t (2)": 2.0}
    runs = [{"metadata": {"name": "t"}, "runs": [{"values": [value]}]} for value in (1.0, 2.0)]
    path.write_text(json.dumps({"version": "1.0", "benchmarks": runs}))
    assert medians(trials(path)) == {"t": 1.0, "t (2)": 2.0}


def test_results_of_one_name_and_other_parameters_keep_it(tmp_path):
    path = tmp_path / "x.json"
    results = [{"command": "x", "parameters": {"n": str(i)}, "times": [1.0]} for i in range(2)]
    path.write_text(json.dumps({"results": results}))
    assert [t.workload for t in trials(path)] == ["x", "x"]


def test_a_command_that_is_not_utf_8_is_imported_with_its_name_escaped(tmp_path, capsys):
    run = load_run(import_file(CASES / "hyperfine" / "surrogate.json", tmp_path / "runs"))
    assert {t.workload for t in run.trials()} == {r"cat \xff.txt"}
    assert main(["report", str(run.path), "--results-dir", str(tmp_path / "runs")]) == 0


@pytest.mark.parametrize("character", ["\x1b", "\x00", "\n", "\u202e", "\ud800", "\x9b"])
def test_harmful_characters_are_spelled_out_in_every_kind_of_file(tmp_path, character):
    name = f"a{character}b"
    stats = {"name": name, "params": {name: [name]}, "stats": {"data": [1.0]}}
    documents = [
        {"results": [{"command": name, "times": [1.0], "parameters": {name: name}}]},
        {"benchmarks": [stats], "machine_info": {name: {name: name}}},
        {"version": "1.0", "benchmarks": [{"metadata": {"name": name}, "runs": [{"values": [1.0]}]}]},
        {
            "fio version": name,
            "jobs": [{"jobname": name, "job options": {name: name}, "read": {"total_ios": 1, "iops": 1}}],
        },
    ]
    texts = [json.dumps(one) for one in documents]
    if not "\ud800" <= character <= "\udfff":
        texts.append(f'series,metric,value,unit,direction\n"{name}","{name}",1,"{name}",lower\n')
    for i, text in enumerate(texts):
        path = tmp_path / f"{i}{'' if character == chr(0) else name}".encode("utf-8", "replace").decode()
        path.write_text(text)
        run = load_run(import_file(path, tmp_path / "runs", name=name))
        assert run.manifest.name.isprintable()
        assert run.manifest.imported.file.isprintable()
        for trial in run.trials():
            assert trial.workload.isprintable()
            assert trial.metrics[0].name.isprintable()


def test_a_run_without_exit_code_was_ended_by_a_signal():
    found = trials(CASES / "hyperfine" / "signal.json")
    assert [t.outcome for t in found] == ["ok", "failed", "ok", "ok", "ok", "ok"]
    assert found[1].reason == "ended by a signal"


def test_results_without_times_fail_with_their_codes(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"results": [{"command": "x", "median": 1.0, "times": [], "exit_codes": [0, None, 3]}]})
    )
    found, _ = read_file(path)
    assert [(t.outcome, t.reason) for t in found.trials] == [("failed", "ended by a signal; exit status 3")]
    assert found.medians_only == ("x",)


def test_pytest_benchmark_is_recognised_without_machine_info():
    found, name = read_file(CASES / "pytest-benchmark" / "no-machine-info.json")
    assert name == "pytest-benchmark"
    assert medians(found.trials) == {"t": pytest.approx(0.01015)}


@pytest.mark.parametrize("name", ["trialparams", "trialparams2"])
def test_rows_of_one_trial_with_other_parameters_are_kept_apart(name):
    found = {}
    for trial in trials(CASES / "csv" / f"{name}.csv"):
        for metric in trial.metrics:
            found.setdefault((trial.parameters["n"], metric.name), []).append(metric.value)
    whole = {(1, "t"): [1, 2], (2, "u"): [5, 6]}
    assert found == (whole if name == "trialparams" else {(1, "t"): [1], (2, "t"): [5]})


def test_rows_of_one_trial_with_another_block_or_outcome_are_kept_apart():
    good, failed = trials(CASES / "csv" / "trialblock.csv")
    assert (good.outcome, good.block, good.warmup, values(good)) == ("ok", 0, False, {"t": 1.0})
    assert (failed.outcome, failed.block, failed.warmup, values(failed)) == ("failed", 7, True, {"u": 5.0})


def test_two_primary_metrics_are_refused_by_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "series,metric,value,unit,direction,primary\na,t,1,s,lower,1\nb,u,1,s,lower,1\na,u,5,s,lower,1\n"
    )
    with pytest.raises(ImportFault, match=r"line 4: primary is u here, but t before; a has one only"):
        read_file(path)
