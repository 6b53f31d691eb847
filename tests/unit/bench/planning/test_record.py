"""Requests and plans go to JSON and back; a damaged plan ends in a sentence."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.changing import replace
from support.paths import GOLDEN
from support.plans import make_plan, plan_json
from support.results_making import trial, write_run
from tare.bench.catalogue import by_name, ours
from tare.bench.own.definition import Definition, OwnServer, Ready
from tare.bench.planning.case import Case, Skip
from tare.bench.planning.record import plan_from_record, plan_to_record
from tare.bench.planning.resume import resumed
from tare.bench.request.declarations import SETTINGS, change
from tare.bench.request.record import request_from_record, request_to_record
from tare.bench.request.request import CommandVersion, Request, SettingsVariant, Slowdowns
from tare.bench.request.settings import RunSettings, Settings
from tare.bench.workloads.output_metrics import MetricRule
from tare.results.errors import ResultError
from tare.results.escapes import is_one_line
from tare.results.plan import PlanRecord, RequestRecord, plan_record
from tare.results.storage.load import load_run
from tare.runners.errors import SettingRefused, UsageError

# -- any request, any plan

words = st.text(max_size=8)
counts = st.integers(1, 10_000)
costs = st.floats(0.001, 1e6)
paths = words.map(lambda text: Path("/", text.replace("\0", "")))
VALUES = {
    "run.runners": st.lists(st.sampled_from(["bare", "namespaces", "runc"]), min_size=1, unique=True).map(
        tuple
    ),
    "run.name": words.filter(is_one_line),
    "run.seed": st.integers(-(1 << 63), (1 << 63) - 1),  # what a result file can hold
    "run.blocks": counts,
    "run.budget": costs,
    "run.precision": st.floats(1e-6, 0.99),
    "run.tools": st.dictionaries(words, words, max_size=2),
    "run.results_dir": paths,
    "run.baselines_dir": paths,
    "run.reports_dir": paths,
    "run.language": st.sampled_from(["en", "ko"]),
    "limits.cpus": counts,
    "limits.cpuset": st.lists(st.integers(0, 300), max_size=4).map(tuple),
    "limits.memory": st.integers(1, 1 << 50),
    "limits.pids": counts,
    "limits.scratch": st.integers(1, 1 << 50),
    "limits.io": st.builds(Settings().limits.io._make, st.tuples(counts, counts)),
    "crowd.memory_budget": st.integers(1, 1 << 50),
    "crowd.most_places": counts,
    "guest.modules": paths,
    "guest.qemu": paths,
    "guest.accel": st.sampled_from(["auto", "kvm", "tcg"]),
    "guest.boot_timeout": costs,
    "run.count": st.booleans(),
}
"""Key → values; any text for the others."""

settings = st.lists(
    st.sampled_from(SETTINGS).flatmap(
        lambda setting: VALUES.get(setting.key, words).map(lambda value: (setting, value))
    ),
    max_size=5,
).map(lambda values: change(Settings(), values))

requests = st.builds(
    lambda **fields: Request(**fields),  # noqa: PLW0108 - a struct's own signature needs the types of its fields
    settings=settings,
    mode=st.sampled_from(["quick", "default", "rigorous"]),
    command=st.lists(words, max_size=2).map(tuple),
    versions=st.lists(
        st.tuples(words, st.lists(words, max_size=2).map(tuple)).map(lambda made: CommandVersion(*made)),
        max_size=2,
    ).map(tuple),
    variants=st.lists(st.tuples(words, settings).map(lambda made: SettingsVariant(*made)), max_size=2).map(
        tuple
    ),
    carry=st.lists(paths, max_size=2).map(tuple),
    cases=st.none() | st.frozensets(st.tuples(words, words), max_size=3),
    slowdowns=st.none()
    | st.tuples(
        st.lists(st.floats(0.001, 1), max_size=3).map(tuple), st.dictionaries(words, costs, max_size=2)
    ).map(lambda made: Slowdowns(*made)),
)


def through_json(record, kind):
    return msgspec.json.decode(msgspec.json.encode(record), type=kind)


@given(requests)
def test_a_request_goes_to_json_and_back(request_):
    record = request_to_record(request_)
    again = through_json(record, RequestRecord)
    assert msgspec.json.encode(again) == msgspec.json.encode(record)
    assert request_from_record(again) == request_


def cases_of(workloads, runners):
    return tuple(Case(one, key) for one in workloads for key in (*runners, "bare-again"))


@st.composite
def plans(draw):
    runners = ("bare", "namespaces")
    cases = cases_of(draw(st.lists(st.sampled_from(ours()), min_size=1, unique=True)), runners)
    return make_plan(
        *cases,
        mode=draw(st.sampled_from(["quick", "default", "rigorous"])),
        seed=draw(st.integers(0, 1 << 32)),
        skips=(Skip("cpu", "cpu", "runc", "none", "not here", "install it"),) * draw(st.integers(0, 1)),
        blocks=draw(st.none() | counts),
        precision=draw(st.floats(1e-6, 0.99)),
        together=draw(st.booleans()),
        job_seconds=draw(costs),
        warmups=draw(st.booleans()),
        budget_seconds=draw(costs),
        estimate_seconds=draw(costs),
        cheap=frozenset(draw(st.lists(st.sampled_from(runners)))),
    )


@given(plans())
def test_a_plan_goes_to_json_and_back_without_its_skips(plan):
    request = Request().with_run(runners=("bare", "namespaces"))
    record = plan_to_record(plan, request)
    again = through_json(record, PlanRecord)
    assert msgspec.json.encode(again) == msgspec.json.encode(record)
    assert plan_from_record(again, request_from_record(again.request)) == replace(plan, skips=())


def test_a_restricted_plan_is_restored_as_it_was():
    cases = cases_of((by_name("null"), by_name("net-latency")), ("bare", "namespaces"))
    plan = make_plan(*cases).restricted({("null", "namespaces")})
    assert {case.workload.name for case in plan.cases} == {"null"}
    request = Request().with_run(runners=("bare", "namespaces"))
    assert plan_from_record(plan_to_record(plan, request), request) == plan


# -- a damaged one

ASKED = Request(
    settings=change(
        Settings().with_run(runners=("bare", "namespaces"), tools={"runc": "/a"}, precision=0.02),
        [(setting, 3.0) for setting in SETTINGS if setting.key == "guest.boot_timeout"],
    ),
    carry=(Path("/etc/hosts"),),
    cases=frozenset({("null", "bare")}),
)
PLAN = make_plan(
    *cases_of((by_name("null"), by_name("cpu"), by_name("net-latency")), ("bare", "namespaces")),
    mode="default",
    blocks=5,
    cheap=frozenset({"bare"}),
)
GOOD = plan_json(ASKED, PLAN)

DROP = object()
JUNK = {"a": [{"b": [None]}]}
COUNT = (None, -1, 1 << 80, "3", 1.5, [], JUNK)
SECONDS = (None, -0.5, 1e12, 1 << 80, "3", [], JUNK, DROP)
NAMES = (None, 3, "bare", ["bare", 3], JUNK)
DAMAGE = {
    (): (None, [], {}, "plan", 3, {"cases": []}),
    ("mode",): (None, "thorough", "quick", 3, DROP),
    ("seed",): (None, 8, "7", 1.5, DROP),
    ("blocks",): (*COUNT[1:], 0),
    ("precision",): (None, 0, 1, -0.1, "1%", [], JUNK, DROP),
    ("together",): (None, 1, "yes"),
    ("job_seconds",): SECONDS,
    ("budget_seconds",): SECONDS,
    ("estimate_seconds",): SECONDS,
    ("warmups",): (None, 1, "yes", DROP),
    ("cheap",): (*NAMES, DROP),
    ("colour",): ("red",),
    ("cases",): (None, [], {}, "null", [None], [JUNK], [["null", "bare"]], DROP),
    ("cases", 0): (None, "null", [], JUNK, {"workload": "null", "runner": "bare-again"}),
    ("cases", 0, "workload"): (None, 3, "no-such", "", ["null"], JUNK, DROP),
    ("cases", 0, "runner"): (None, 3, "bear", "runc", "bare@base", "bare-again-again", "", JUNK, DROP),
    ("request",): (None, [], "null", JUNK, {}, DROP),
    ("request", "mode"): (None, "thorough", "quick", 3, DROP),
    ("request", "settings"): (None, [], "x", JUNK, DROP),
    ("request", "settings", "run.runners"): (None, 3, "bare", [3], ["bear"], ["qemu-q35:colour=red"], [[]]),
    ("request", "settings", "run.tools"): (None, [], {"runc": 3}),
    ("request", "settings", "run.precision"): (2.0, -1, "1%", []),
    ("request", "settings", "run.blocks"): (0, -1, 1 << 80, 1.5),
    ("request", "settings", "limits.memory"): (None, 0, -1, 1 << 80, 1.5, "1G"),
    ("request", "settings", "guest.boot_timeout"): (0, -1.0, "3", []),
    ("request", "settings", "guest.colour"): ("red",),
    ("request", "command"): (None, "true", [3], {}),
    ("request", "versions"): (None, "true", [[]], [["base"]], [["base", "true"]], [[3, []]]),
    ("request", "variants"): (
        None,
        {},
        [["base"]],
        [["base", []]],
        [["base", {"guest.cpu": 3}]],
        [["base", {"a": 1}]],
    ),
    ("request", "carry"): (None, "/etc", [None], {}),
    ("request", "cases"): ("null", [["null"]], [["null", 3]], {}),
    ("request", "slowdowns"): ([], {}, {"shares": [2], "start_seconds": {}}, {"shares": [0.1]}),
    ("request", "colour"): ("red",),
}
"""Where a plan is damaged → what is there instead."""


def damaged(path, wrong):
    plan = {"plan": json.loads(json.dumps(GOOD))}
    steps = ["plan", *path]
    *above, last = steps
    inner = plan
    for key in above:
        inner = inner[key]
    if wrong is DROP:
        del inner[last]
    else:
        inner[last] = wrong
    return plan["plan"]


def stored(folder, plan):
    """Write a run with this plan, even where its manifest could not hold it."""
    path = write_run(folder, [trial(0)], status="interrupted", mode=GOOD["mode"], seed=GOOD["seed"])
    manifest = path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"plan": plan}))
    return path


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        pytest.param(
            path, wrong, id=f"{'.'.join(map(str, path))}={'dropped' if wrong is DROP else wrong}"[:60]
        )
        for path, several in DAMAGE.items()
        for wrong in several
    ],
)
def test_a_damaged_plan_is_refused_in_a_sentence_that_names_the_field(tmp_path, path, wrong):
    folder = stored(tmp_path, damaged(path, wrong))
    with pytest.raises((UsageError, ResultError)) as caught:
        resumed(Request(resume=str(folder)))
    text = str(caught.value)
    names = [part.rpartition(".")[2] for part in path if isinstance(part, str)]
    assert not names or any(name in text for name in names), text
    assert "\n" not in text


def test_enough_damage_is_tried():
    assert sum(len(several) for several in DAMAGE.values()) >= 70


def test_a_good_plan_is_resumed_and_what_concerns_the_call_is_the_calls(tmp_path):
    folder = stored(tmp_path, json.loads(json.dumps(GOOD)))
    call = Request(resume=str(folder), offline=True, report=False, resuming="again")
    request, plan = resumed(call)
    assert plan == PLAN
    output = replace(ASKED.settings.output, results_dir=folder.parent)
    settings_ = replace(ASKED.settings, output=output)
    assert request == replace(
        ASKED, settings=settings_, resume=folder.name, offline=True, report=False, resuming="again"
    )


# -- more time for a run that has ended


def ended(folder, **changes):
    plan = plan_json(ASKED, replace(PLAN, **changes))
    return write_run(folder, [trial(0)], status="complete", mode=PLAN.mode, seed=PLAN.seed, plan=plan)


def test_a_finished_run_is_gone_on_with_only_with_more_time(tmp_path):
    folder = ended(tmp_path, blocks=None, budget_seconds=60)
    with pytest.raises(UsageError, match=r"is finished. Extend it .* --budget 6m"):
        resumed(Request(resume=str(folder)))
    request, plan = resumed(Request(resume=str(folder), extension_seconds=30))
    assert (plan.budget_seconds, plan.estimate_seconds) == (90, 90)
    assert request.extension_seconds == 30


@pytest.mark.parametrize(
    ("cheap", "keyword", "units"),
    [
        ("bare namespaces", "", set()),
        ("bare namespaces", "cpu", {"cpu", "cpu (duet)"}),
        ("bare namespaces", "cpu or startup", {"cpu", "cpu (duet)", "null"}),
        ("bare", "cpu@namespaces", {"cpu@namespaces"}),
        ("bare", "startup or cpu and not cpu-all@namespaces", {"null@namespaces", "cpu@namespaces"}),
    ],
)
def test_more_time_can_be_for_some_units_of_the_run(tmp_path, cheap, keyword, units):
    workloads = [by_name(name) for name in ("null", "cpu", "cpu-all")]
    cases = cases_of(workloads, ("bare", "namespaces"))
    folder = ended(
        tmp_path, blocks=None, budget_seconds=60, cases=cases, cheap=frozenset(cheap.split()) | {"bare-again"}
    )
    call = Request(resume=str(folder), extension_seconds=30, extension_keyword=keyword)
    _, plan = resumed(call)
    assert plan.extended
    assert plan.more_of == units


@pytest.mark.parametrize(
    ("keyword", "why"),
    [("nonsense", "no workload or family has"), ("cpu and not cpu", "selects nothing that the run measures")],
)
def test_what_more_time_is_for_has_to_be_in_the_run(tmp_path, keyword, why):
    folder = ended(tmp_path, blocks=None, budget_seconds=60)
    with pytest.raises(SettingRefused, match=why):
        resumed(Request(resume=str(folder), extension_seconds=30, extension_keyword=keyword))


def test_a_run_of_exactly_so_many_blocks_is_not_extended(tmp_path):
    with pytest.raises(UsageError, match="cannot be extended: it measures exactly 5 blocks"):
        resumed(Request(resume=str(ended(tmp_path)), extension_seconds=30))


# -- runs of older formats

OLD = GOLDEN / "plans-v1"
SINCE_2 = (
    "probes",
    "limits",
    "variant_images",
    "precise_after_blocks",
    "resumed",
    "imported",
    "course",
    "notes",
)


def old_run(folder, name, **changes):
    """Write a run as format 1 did, with a plan that a tare of that time made."""
    plan = json.loads((OLD / f"{name}.json").read_text())
    path = write_run(folder, [trial(0)], status="interrupted", mode=plan["mode"], seed=plan["seed"])
    manifest = json.loads((path / "manifest.json").read_text())
    old = {key: value for key, value in manifest.items() if key not in SINCE_2}
    (path / "manifest.json").write_text(json.dumps(old | {"format": 1, "plan": plan, "notes": {}} | changes))
    return path


def old_plan(folder, name, **changes):
    plan = plan_record(load_run(old_run(folder, name, **changes)).manifest)
    return request_from_record(plan.request), plan


def test_the_plan_of_an_older_format_is_read_as_one_of_a_number_of_blocks(tmp_path):
    request, plan = old_plan(tmp_path, "guests")
    wanted = request.settings
    assert wanted.run.runners == ("bare", "namespaces", "qemu-microvm")
    assert (wanted.run.precision, wanted.run.seed, wanted.run.blocks) == (0.02, 5, None)
    assert wanted.run.tools == {"runc": "/opt/runc"}
    assert wanted.guest.qemu == Path("/usr/bin/qemu-system-x86_64")
    assert wanted.limits.io == (50 << 20, 0)
    assert replace(wanted.guest, qemu=None) == Settings().guest
    assert (plan.blocks, plan.precision, plan.seed, plan.mode, len(plan.cases)) == (
        300,
        0.02,
        5,
        "default",
        16,
    )
    assert len(plan_from_record(plan, request).units()) == 4


def test_variants_of_format_1_have_the_runs_programs_and_their_own(tmp_path):
    request, plan = old_plan(tmp_path, "variants")
    base, head = (own for _, own in request.variants)
    assert base.run.tools == {"crun": "/opt/crun", "runc": "/a"}
    assert head.run.tools == {"crun": "/opt/crun", "runc": "/b"}
    assert (base.guest.cpu, head.guest.cpu, base.run.runners) == ("", "max", ("runc",))
    assert [case.runner for case in plan.cases] == ["runc@base", "runc@base-again", "runc@head"]


def test_a_command_of_format_1_is_read_with_what_it_carried(tmp_path):
    request, plan = old_plan(tmp_path, "command")
    assert request.command == ("./a", "b c")
    assert request.carry == (Path("/etc/hosts"),)
    assert request.cases == {("command", "bare")}
    assert {case.workload for case in plan.cases} == {"null", "command"}


def test_the_slowdowns_of_a_calibration_of_format_1_are_found(tmp_path):
    request, plan = old_plan(tmp_path, "calibration")
    assert request.slowdowns == Slowdowns((0.01, 0.05), {"bare": 0.002, "namespaces": 0.011})
    assert plan.blocks == 20


def test_a_run_of_an_older_format_is_not_gone_on_with(tmp_path):
    with pytest.raises(UsageError, match="older format 1, which can be read but not continued"):
        resumed(Request(resume=str(old_run(tmp_path, "guests"))))


@pytest.mark.parametrize("variants", [None, 3, [3], [["base"]], [["base", 3]], [["base", {"run.tools": 3}]]])
def test_a_damaged_plan_of_format_1_is_refused_in_a_sentence(tmp_path, variants):
    plan = json.loads((OLD / "variants.json").read_text())
    plan["request"]["variants"] = variants
    with pytest.raises((ResultError, UsageError), match="variants"):
        old_plan(tmp_path, "variants", plan=plan)


def test_a_request_that_is_not_utf8_is_kept_as_utf8_and_asked_again():
    odd = "a\udcff\\"
    wanted = Request(
        settings=Settings(run=RunSettings(name=odd, tools={odd: f"/opt/{odd}"})),
        command=("/bin/echo", odd),
        versions=(CommandVersion("base", (odd,)),),
        carry=(Path("/srv", odd),),
    )
    stored = msgspec.json.encode(request_to_record(wanted))
    assert request_from_record(msgspec.json.decode(stored, type=RequestRecord)) == wanted


def test_own_workloads_go_to_json_and_back_and_are_planned_again():
    own = {
        "web": Definition(
            command=("wget", "{port}", "{n}", "a\udcff"),
            parameters={"n": (1, 2.5, "x", True)},
            metrics={"rps": MetricRule(regex="(1)", direction="higher")},
            server=OwnServer(command="serve", ready=Ready(line="up")),
        )
    }
    request = Request(own=own, only_own=True, around=Definition(command=("true",), timeout=5.0))
    record = msgspec.json.decode(msgspec.json.encode(request_to_record(request)), type=RequestRecord)
    again = request_from_record(record)
    assert (again.own, again.only_own, again.around) == (request.own, True, request.around)
    with pytest.raises(UsageError, match=r"request\.own\.web: there is no 'comand'"):
        request_from_record(replace(record, own={"web": {"comand": "x"}}))
