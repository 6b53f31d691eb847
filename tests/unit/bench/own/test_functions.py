"""Functions in scripts: the scripts are run as places run them, by the interpreter alone."""

import asyncio
import functools
import importlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tare.bench.own.calls import workload
from tare.bench.own.expand import expand
from tare.bench.own.function_program import ENOUGH_SECONDS, measure
from tare.runners.errors import UsageError
from tare.runners.images.imports import imported

HELPER = """
import json
from pathlib import Path
STEPS = {"b", "a"}
LOCK = __import__("threading").Lock()  # modules are carried as files, so it is in nobody's way

def inner(n):
    return [json.dumps(sorted(STEPS))] * n

class Kept:
    def __init__(self, n):
        self.n = n
    def __call__(self):
        return inner(self.n)
"""

MINE = """
import functools, sys
import mine_helper
from mine_helper import Kept
BASE = [3, 1]

def summed(n=1, *, word="w"):
    print(f"{n} {word} {BASE}", flush=True)
    return mine_helper.inner(n)

def made(start):
    kept = Kept(start)
    def closure():
        print(len(kept()), flush=True)
    return closure

LOCK = mine_helper.LOCK

def uses_lock():
    return LOCK

def imports_inside():
    import mine_package.sub as again
    print(again.VALUE, flush=True)

def imports_installed_inside():
    import sqlite3
    return sqlite3.sqlite_version

def fails():
    raise RuntimeError("no luck")

async def later():
    pass

def yields():
    yield 1
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Give a module of a user's own, which imports another one, neither of them installed."""
    (tmp_path / "mine_helper.py").write_text(HELPER)
    (tmp_path / "mine_main.py").write_text(MINE)
    (tmp_path / "mine_package").mkdir()  # without __init__.py
    (tmp_path / "mine_package" / "sub.py").write_text("import mine_other\nVALUE = mine_other.VALUE\n")
    (tmp_path / "mine_other.py").write_text("VALUE = 17\n")
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("mine_main")
    for name in ("mine_main", "mine_helper"):
        sys.modules.pop(name, None)


def ran(made, tmp_path):
    """Run the only variant of a workload as a place does: elsewhere, with nothing of this process's path."""
    (command,) = expand({made.name: made.definition})
    done = subprocess.run(
        [sys.executable, *command.argv[1:]], capture_output=True, cwd=tmp_path, env={}, check=False
    )
    return command, done


@pytest.mark.slow
def test_source_closure_and_own_modules_are_carried_and_prints_do_not_disturb(mine, tmp_path):
    made = workload(mine.summed, parameters={"n": [2]}, calls=3)
    command, done = ran(made, tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"first", "seconds", "calls"}
    assert json.loads(done.stdout)["calls"] == 3
    assert done.stderr == b"2 w [3, 1]\n" * 4
    assert command.parameters == {"n": "2", "command": "Python function mine_main.summed"}
    command, done = ran(workload(mine.made(4), warmups=0, calls=1), tmp_path / "cache")
    assert (done.returncode, done.stderr) == (0, b"4\n")
    assert set(json.loads(done.stdout)) == {"seconds", "calls"}
    _, done = ran(workload(mine.imports_inside, warmups=0, calls=1), tmp_path / "cache")
    assert (done.returncode, done.stderr) == (0, b"17\n")
    _, done = ran(workload(mine.fails), tmp_path / "cache")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.splitlines()[-1] == b"RuntimeError: no luck"


def test_the_values_of_parameters_keep_their_types(mine):
    made = workload(mine.summed, parameters={"n": [1, 2], "word": ["x"]})
    names = [one.argv[-2:] for one in expand({made.name: made.definition})]
    assert names == [("n=1", "word=x"), ("n=2", "word=x")]
    call, calls, first = (made.definition.metrics[name] for name in ("call", "calls", "first-call"))
    assert (call.primary, call.unit, call.clock) == (True, "s", "place-monotonic")
    assert {calls.direction, first.direction} == {"none"}


def test_the_script_names_what_the_image_has_to_bring(mine):
    (command,) = expand({"x": workload(mine.imports_installed_inside).definition})
    script = Path(next(word for word in command.argv if word.endswith(".py")))
    assert {"cloudpickle", "sqlite3"} <= imported(script.read_text())
    assert "mine_main" not in imported(script.read_text())


def test_the_same_function_is_the_same_series_after_a_change(mine):
    before = workload(mine.summed).definition
    mine.BASE.append(5)
    after = workload(mine.summed).definition
    assert before.identity == after.identity
    assert before.command != after.command


def test_partial_functions_and_those_of_libraries_are_taken(mine):
    made = workload(functools.partial(mine.summed, 3), name="three")
    assert made.definition.identity == "Python function mine_main.summed"
    assert workload(dict).definition.identity == "Python function builtins.dict"
    assert workload(json.dumps, parameters={"obj": [1]}).name == "dumps"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("uses_lock", {}, "mine_main.uses_lock cannot be carried into places: something that it refers to cannot be pickled"),
        ("later", {}, "mine_main.later is asynchronous"),
        ("yields", {}, "mine_main.yields is a generator"),
        ("made", {}, "mine_main.made cannot be called with no parameters: missing a required argument: 'start'"),
        ("summed", {"parameters": {"m": [1]}}, "cannot be called with m"),
        ("summed", {"parameters": {"n": 1}}, "parameters are lists of values"),
        ("summed", {"calls": 1.5}, "calls and warmups are whole numbers"),
        ("summed", {"warmups": -1}, "calls and warmups are whole numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_is_said_in_one_sentence(mine, name, options, said):
    with pytest.raises(UsageError) as caught:
        workload(getattr(mine, name), **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_metric_of_the_users_own_may_be_the_primary_one(mine):
    made = workload(mine.summed, metrics={"rate": {"regex": "(.)", "direction": "higher", "primary": True}})
    assert [name for name, rule in made.definition.metrics.items() if rule.primary] == ["rate"]


def test_a_batch_is_long_enough_unless_the_calls_are_given():
    event = threading.Event()
    slow = functools.partial(event.wait, ENOUGH_SECONDS / 3)
    found = measure(slow, 0, 0)
    assert found["calls"] in {4, 8}  # 2 are too short, and a late wake-up does not halve them
    assert ENOUGH_SECONDS / 3 <= found["seconds"] < ENOUGH_SECONDS
    assert measure(lambda: asyncio.sleep, 7, 1)["calls"] == 7
