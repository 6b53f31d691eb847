"""What other packages add by entry points: distributions on the path, found as installed ones are."""

import sys

import pytest

from support.campaigns import IMAGE, LIMITS
from support.distributions import install
from support.stub import Stub
from tare.bench import catalogue
from tare.bench.commands.shared.speaking import Speaker
from tare.bench.commands.workloads import _list
from tare.bench.planning.runners import probe
from tare.runners import registry
from tare.runners.context import RunContext, Supplies
from tare.runners.entry_points import load_group
from tare.runners.errors import Missing, UsageError
from tare.runners.settings import RunnerSettings

SOURCE = """
from dataclasses import dataclass
from tare.bench.workloads.command import Command
from tare.runners.fake import FakeRunner
from tare.runners.registry import RunnerRow

ONE = Command(("true",), name="added")
MANY = [Command(("true",), name="added-2"), Command(("true",), name="cpu"), 3]

def row(name, factory="make", **changes):
    return RunnerRow(**{"name": name, "kind": "container", "rank": 95, "color": "#123456",
                        "factory": f"their_package:{factory}", **changes})

def make(supplies, name):
    return FakeRunner(name)

def fails(supplies, name):
    raise KeyError("no such thing")

def odd(supplies, name):
    return object()

class Careless(FakeRunner):
    def probe(self):
        raise ZeroDivisionError("1/0")

def careless(supplies, name):
    return Careless(name)

GOOD = row("theirs")
LIST = [row("theirs"), row("bare"), row("Upper"), row("odd-kind", kind="vm"), row("odd-colour", color="red"),
        row("lost", "nothing"), row("fails", "fails"), row("odd", "odd"), row("careless", "careless"), None]
"""

POINTS = {
    "tare.workloads": "one = their_package:ONE\nmany = their_package:MANY\ngone = their_package:GONE\nbad = their_other:X",
    "tare.runners": "good = their_package:GOOD\nlist = their_package:LIST",
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package with good and bad additions, and one that cannot be imported."""
    install(tmp_path, monkeypatch, "their-package", POINTS, SOURCE)
    (tmp_path / "their_other.py").write_text("raise SystemExit('wrong\\nhost')\n")
    yield
    load_group.cache_clear()
    for name in ("their_package", "their_other"):
        sys.modules.pop(name, None)


def test_nothing_is_added_and_nothing_wrong_without_packages(monkeypatch):
    assert catalogue.measurables() == catalogue.ours()
    assert dict(registry.rows()) == registry.RUNNERS
    assert catalogue.problems() == registry.problems() == ()


def test_good_workloads_are_added_and_bad_ones_named_with_their_package(installed, capsys):
    assert [one.name for one in catalogue.measurables()[len(catalogue.ours()) :]] == ["added-2", "added"]
    told = [line.removeprefix("tare.workloads: ") for line in catalogue.problems()]
    assert [line.partition(": ")[2].partition(" Update or uninstall their-package.")[0] for line in told] == [
        "it cannot be loaded (SystemExit: wrong host).",
        "it cannot be loaded (AttributeError: module 'their_package' has no attribute 'GONE').",
        "there is a workload or family cpu already.",
        "it is int, and no workload, experiment, or list of them.",
    ]
    assert [line.partition(":")[0] for line in told] == [
        f"{name} of their-package is left out" for name in ("bad", "gone", "many", "many")
    ]
    assert _list((), Speaker("en"), as_json=False) == 0
    out, err = capsys.readouterr()
    assert "added-2" in out
    assert err.count("their-package is left out") == 4


def test_good_runners_are_added_and_bad_ones_named_with_their_package(installed):
    assert set(registry.rows()) - set(registry.RUNNERS) == {"theirs", "fails", "odd", "careless"}
    assert registry.check(["theirs"]) == ("bare", "theirs")
    assert registry.by_display_order()[-1].kind == "guest"
    assert "theirs" in [row.name for row in registry.by_display_order()]
    told = "\n".join(registry.problems())
    for what in (
        "there is a runner theirs already",
        "there is a runner bare already",
        "a runner cannot be called 'Upper'",
        "odd-kind is of kind 'vm'; kinds are host, container, engine, guest",
        "odd-colour has the colour 'red', which is not like #1a83c9",
        "'their_package:nothing' of lost cannot be loaded (AttributeError",
        "it is NoneType, and no RunnerRow, or list of them",
    ):
        assert f"list of their-package is left out: {what}" in told
    assert len(registry.problems()) == 7
    with pytest.raises(UsageError, match=r"there is no runner 'lost'.*their-package is left out"):
        registry.check(["lost"])


def test_a_runner_of_a_package_that_fails_refuses_and_the_others_go_on(installed, tmp_path):
    supplies = Supplies(RunContext("r", tmp_path, tmp_path, Stub()), Stub(), RunnerSettings())
    bench = probe(supplies, ("theirs", "fails", "odd", "careless"))
    assert bench.probes["theirs"].ok
    reasons = {key: found.reason for key, found in bench.probes.items() if not found.ok}
    origin = "tare.runners: list of their-package"
    assert reasons == {
        "fails": f"{origin}: it could not be made (KeyError: 'no such thing')",
        "odd": f"{origin}: it made object, which has no probe",
        "careless": f"trying it failed: ZeroDivisionError: 1/0 ({origin})",
    }
    refusing = bench.runners["fails"]
    with pytest.raises(Missing, match="their-package"):
        refusing.prepare(IMAGE, LIMITS)
    with pytest.raises(Missing, match="their-package"):
        refusing.open()
    refusing.close()
    assert (refusing.name, refusing.label) == ("fails", "fails")
