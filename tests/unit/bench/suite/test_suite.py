"""Compare the suite's ``bench_*`` functions with what can be measured."""

from importlib import import_module

from support.paths import ROOT
from tare.bench.catalogue import ours


def replayed():
    """Give the names of all workloads and experiments that some ``bench_*`` function replays."""
    for path in (ROOT / "bench" / "suite").glob("bench_*.py"):
        module = import_module(f"tare.bench.suite.{path.stem}")
        for name, function in vars(module).items():
            for mark in getattr(function, "pytestmark", ()) if name.startswith("bench_") else ():
                if mark.name == "workload":
                    yield mark.args[0]
                elif mark.name == "parametrize":
                    yield from (each.args[0] for one in mark.args[1] for each in one.marks)


def test_all_that_can_be_measured_is_replayed_once(pytestconfig):
    # As the plugin does, which is not loaded here.
    pytestconfig.addinivalue_line("markers", "workload(name): the workload whose trials the test replays")
    assert sorted(replayed()) == sorted(one.name for one in ours())
