"""The largest files that are taken, and larger ones, stay within 1 GiB of memory and 10 s of CPU time, or twice that on a busy host."""

import json
import resource
import subprocess
import sys

import pytest

from support.paths import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import resource, sys
from pathlib import Path
from tare.results.errors import ResultError
from tare.results.imports import import_file
try:
    import_file(Path(sys.argv[1]), Path(sys.argv[2]))
    print("taken")
except ResultError as error:
    assert error.__context__ is None or not isinstance(error.__context__, MemoryError), "memory"
    print("refused")
"""


def table(rows):
    head = "series,trial,metric,value,unit,direction,block,other\n"
    return head + "".join(f"s{n % 50},{n},time,{n % 97}.5,s,lower,{n % 1000},x\n" for n in range(rows))


def objects():
    """Give as many objects, lists, texts and numbers as the limits allow, in a document that hyperfine may have written."""
    result = json.dumps({"command": "c", "times": [1.5, 2.5], "parameters": {}})
    odd = ",".join(f'{{"key {n}":["text {n}"]}}' for n in range(490_000))
    numbers = ",".join(f"{n}.25" for n in range(1_000_000))
    return f'{{"results": [{result}], "odd": [{odd}], "numbers": [{numbers}]}}'


FILES = {
    "a table of the most values": (lambda: table(250_000), "taken"),
    "a table of 600,000 rows": (lambda: table(600_000), "refused"),
    "a document of the most objects": (objects, "taken"),
    "a text of ten million control characters": (
        lambda: json.dumps({"results": [{"command": "\x1b" * 10_000_000, "times": [1.5], "median": 1.5}]}),
        "taken",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_large_files_cost_little(tmp_path, name):
    make, said = FILES[name]
    path = tmp_path / "given"
    path.write_text(make())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path, tmp_path / "runs"],
        env={"PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: (
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
            resource.setrlimit(resource.RLIMIT_CPU, (20, 20)),
        ),
    )
    assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr[-2000:]
