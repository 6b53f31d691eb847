"""What cannot be had or prepared becomes a reason, and the rest goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.campaigns import IMAGE, Steady, Telling, make_plan, make_provisioned
from support.changing import replace
from support.stub import Stub
from tare.bench.campaign import provision as module
from tare.bench.campaign.provision import provision
from tare.bench.planning.case import Case
from tare.bench.request.request import Request, SettingsVariant
from tare.bench.request.settings import RunSettings, Settings
from tare.results.environment import LimitsUnverified
from tare.runners.errors import Missing, PlaceFailure, TareError, UsageError
from tare.runners.fake import FakeRunner
from tare.runners.model import Probe


@dataclass(frozen=True)
class Needing(Steady):
    programs: tuple = ("fio", "python3")


PLAN = make_plan([Needing()])


class Refusing(FakeRunner):
    def prepare(self, image, limits):
        raise PlaceFailure("no room", remedy="make room")


@pytest.fixture
def built(monkeypatch):
    """Keep what images are built of."""
    kept = []

    def build(content, *_arguments, **_options):
        kept.append((tuple(content.programs), content.external))
        return replace(IMAGE, key=f"image-{len(kept)}")

    monkeypatch.setattr(module, "build_image", build)
    monkeypatch.setattr(module, "read_external", lambda path: Stub(path=path, pulled_as=""))
    monkeypatch.setattr(module, "image_files", lambda _cache: {})
    monkeypatch.setattr(
        module, "verify_once", lambda _cache, runner, _circumstances: f"seen in {runner.label}"
    )
    return kept


def make(missing=(), *, box=FakeRunner, **fields):
    def tool(name):
        if name in missing:
            raise Missing(f"no {name} here.", f"apt install {name}")

    runners = {"bare": FakeRunner("bare"), "box": box("box", **fields)}
    bench = make_provisioned(runners).bench
    context = Stub(cache=Path("/nowhere"))
    supplies = replace(bench.supplies, provision=Stub(tool=tool), context=context)
    return replace(bench, supplies=supplies, probes={key: Probe(ok=True) for key in runners})


def request(**run):
    return Request(settings=Settings(run=RunSettings(**run)))


def test_programs_are_built_in_and_runners_prepared_and_verified(built):
    bench = make()
    made = provision(request(), bench, PLAN, Telling())
    assert built == [(("fio", "python3"), None)]
    assert all(runner.prepared for runner in bench.runners.values())
    verified: Any = made.verified
    assert verified == {"bare": "seen in bare", "box": "seen in box"}
    assert (made.missing, made.image.key) == ({}, "image-1")


def test_a_program_that_cannot_be_had_is_left_out_with_reason_and_remedy(built):
    told = Telling()
    made = provision(request(), make(missing=("fio",)), PLAN, told)
    assert built == [(("python3",), None)]
    assert made.missing == {"fio": ("no fio here.", "apt install fio")}
    assert "fio is not available: no fio here." in told.lines


def test_the_suites_python_is_not_carried_into_an_image_made_elsewhere(built):
    made = provision(request(image="img.tar"), make(), PLAN, Telling())
    assert [(programs, given.path) for programs, given in built] == [(("fio",), "img.tar")]
    assert list(made.missing) == ["python3"]


def test_an_image_made_elsewhere_takes_no_files_of_the_host(built):
    carrying = replace(request(image="img.tar"), carry=(Path("/etc/hosts"),))
    with pytest.raises(UsageError, match="--carry"):
        provision(carrying, make(), PLAN, Telling())
    assert built == []


def test_a_runner_that_cannot_be_prepared_becomes_a_refusal(built):
    bench = make(box=Refusing)
    made = provision(request(), bench, PLAN, Telling())
    assert (made.bench.probes["box"].ok, made.bench.probes["box"].reason) == (False, "no room")
    assert made.bench.probes["box"].remedy == "make room"
    assert list(made.verified) == ["bare"]


def test_nothing_goes_on_without_the_base(built):
    bench = make()
    runners = {**bench.runners, "bare": Refusing("bare")}
    with pytest.raises(TareError, match="no room"):
        provision(request(), replace(bench, runners=runners), PLAN, Telling())


def test_limits_that_cannot_be_verified_are_recorded_as_such(built, monkeypatch):
    def fail(_cache, _runner, _circumstances):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "verify_once", fail)
    made = provision(request(), make(), PLAN, Telling())
    assert set(map(type, made.verified.values())) == {LimitsUnverified}


@pytest.mark.parametrize(("mode", "verified"), [("quick", ["bare"]), ("default", ["bare", "box(tcg)"])])
def test_quick_runs_do_not_boot_guests_to_verify_limits(built, mode, verified):
    bench = make(accelerator="tcg", guest=True)
    made = provision(request(), bench, replace(PLAN, mode=mode), Telling())
    assert list(made.verified) == verified


def test_variants_are_prepared_with_images_of_their_own(built):
    settings = [Settings(run=RunSettings(image=name)) for name in ("a.tar", "b.tar")]
    variants = tuple(SettingsVariant(name, own) for name, own in zip(("base", "head"), settings, strict=True))
    runners = {f"box@{name}": FakeRunner(f"box@{name}") for name in ("base", "head")}
    bench = replace(make(), runners=runners, probes={key: Probe(ok=True) for key in runners})
    cases = (Case(Needing(), "box@base"), Case(Needing(), "box@base-again"), Case(Needing(), "box@head"))
    asked = replace(request(), variants=variants)
    made = provision(asked, bench, replace(PLAN, cases=cases), Telling())
    assert [given.path for _, given in built] == ["a.tar", "b.tar"]
    assert {key: made.image_of(key).key for key in ("box@base", "box@base-again", "box@head")} == {
        "box@base": "image-1", "box@base-again": "image-1", "box@head": "image-2",
    }  # fmt: skip
