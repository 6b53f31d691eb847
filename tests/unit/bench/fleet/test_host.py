"""What runs on a host: a stand-in for the run's process stores trials, and they are handed over whole and once."""

import sys
import time
from typing import Any

import msgspec
import pytest

from support.fleet_double import REQUEST
from support.results_making import manifest, trial
from tare.bench.fleet import host
from tare.bench.fleet.child import request_of
from tare.bench.fleet.inbox import Inbox
from tare.bench.fleet.messages import Assignment
from tare.results.origins import Said
from tare.results.storage.load import load_run

CHILD = """
import json, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
order = json.load(sys.stdin)
run = pathlib.Path(order["run"] or "r1")
run.mkdir(exist_ok=True)
(run / "manifest.json").write_bytes(pathlib.Path(sys.argv[1]).read_bytes())
with (run / "trials.jsonl").open("ab") as file:
    for line in pathlib.Path(sys.argv[2]).read_bytes().splitlines(True):
        file.write(line)
        file.flush()
if sys.argv[3] == "hang":
    time.sleep(60)
print("tare: no runner can be used here", file=sys.stderr)
sys.exit(3)
"""


def order(**changes):
    fields: dict[str, Any] = {
        "campaign": "c", "host": "a/b", "number": 0, "session": "s", "attempt": 1, "request": REQUEST, "offline": True, "labels": {},
        "argv": ("tare", "fleet"),
    }  # fmt: skip
    return Assignment(**fields | changes)


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(host, "LOOK_SECONDS", 0.01)
    lines = [msgspec.json.encode(trial(number, 1.0, run="r1")) + b"\n" for number in range(3)]
    (tmp_path / "manifest").write_bytes(msgspec.json.encode(manifest(run="r1")))
    (tmp_path / "trials").write_bytes(b"".join(lines) + b'{"cut')

    def make(how="end"):
        return (sys.executable, "-c", CHILD, str(tmp_path / "manifest"), str(tmp_path / "trials"), how)

    return make


def test_whole_lines_come_over_once_and_the_end_has_the_reason(command, tmp_path):
    inbox = Inbox(tmp_path / "runs")
    ended = host.measure(order(), inbox.take, lambda: False, command())
    assert (ended.code, ended.run, ended.said) == (3, "r1", "no runner can be used here")
    assert [one.number for one in load_run(tmp_path / "runs" / "r1").trials()] == [0, 1, 2]
    assert ended.size == inbox.size("r1")
    assert inbox.trials == 3
    assert load_run(tmp_path / "runs" / "r1").manifest.status == "running", "more may come"
    inbox.close("r1")
    assert load_run(tmp_path / "runs" / "r1").manifest.status == "interrupted"


def test_a_sign_of_life_is_sent_while_there_is_no_news(command, monkeypatch):
    monkeypatch.setattr(host, "SIGN_SECONDS", 0.05)
    came = []

    def silent_after_all_trials():
        return sum(one.lines.count(b"\n") for one in came) == 3 and not came[-1].lines

    host.measure(order(), came.append, silent_after_all_trials, command("hang"))
    assert (came[-1].manifest, came[-1].lines) == (b"", b"")


def test_an_order_that_nobody_wants_any_more_is_ended(command, tmp_path):
    inbox, began = Inbox(tmp_path / "runs"), time.monotonic()
    ended = host.measure(order(), inbox.take, lambda: inbox.trials >= 3, command("hang"))
    assert ended.code == 130
    assert time.monotonic() - began < 30


def test_a_copy_that_is_gone_is_made_again_from_what_the_director_has(command, tmp_path):
    first = Inbox(tmp_path / "runs")
    host.measure(order(), first.take, lambda: False, command())
    host.forget(order())
    assert not host.folder_of(order()).exists()
    about, trials = first.raw("r1")
    (tmp_path / "trials").write_bytes(msgspec.json.encode(trial(3, 1.0, run="r1")) + b"\n")
    host.measure(order(run="r1", manifest=about, trials=trials), first.take, lambda: False, command())
    assert [one.number for one in load_run(tmp_path / "runs" / "r1").trials()] == [0, 1, 2, 3]


def test_what_follows_a_position_can_be_read(command, tmp_path):
    host.measure(order(), lambda _: None, lambda: False, command())
    whole = host.read_rest(order(), 0)
    rest = host.read_rest(order(), len(whole.lines) - 5)
    assert rest.lines == whole.lines[-5:]
    assert host.read_rest(order(number=9), 0).lines == b""


def test_the_folder_of_an_order_stays_in_the_cache(command, tmp_path):
    assert host.folder_of(order(campaign="../..", host="../x")).is_relative_to(tmp_path / "cache")


def test_old_copies_are_swept(command, tmp_path):
    folder = host.folder_of(order())
    folder.mkdir(parents=True)
    host.facts()
    assert folder.exists()
    host._sweep(tmp_path / "cache" / "fleet", time.time() + 10)
    assert not folder.exists()


def test_a_request_goes_into_the_hosts_own_folder(tmp_path):
    request = request_of(order(labels={"fleet": "c"}, run="r1"), tmp_path)
    assert request.settings.output.results_dir == tmp_path
    assert (request.resume, request.report, request.offline) == ("r1", False, True)
    assert request.settings.run.seed == 7
    assert request.resuming == "tare fleet --resume c"


CHILD_OF_OURS = """
import sys
from tare.bench.fleet import child
from tare.results.said import listed, say
from tare.runners.errors import TareError
def fail(*_words):
    raise TareError(listed((say("fact.quick", "quick"),
                            say("fact.unknown", "not recorded")), "\\n"))
child.execute = fail
sys.exit(child.main(int(sys.argv[1])))
"""


@pytest.mark.slow
def test_what_the_error_of_a_run_was_made_of_comes_over(command):
    ended = host.measure(order(), lambda _: None, lambda: False, (sys.executable, "-c", CHILD_OF_OURS))
    assert (ended.code, ended.said) == (3, "not recorded")
    assert ended.origins["not recorded"] == Said("fact.unknown")
    assert host.measure(order(), lambda _: None, lambda: False, command()).origins == {}, "of another run"
