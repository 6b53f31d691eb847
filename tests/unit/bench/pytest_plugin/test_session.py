from pathlib import Path
from types import SimpleNamespace

import pytest

from support.experiments import Pair
from tare.bench.pytest_plugin.options import _REQUEST
from tare.bench.pytest_plugin.session import is_asked_for, is_named
from tare.bench.request.request import Request
from tare.bench.workloads.null import Null


def config(keyword="", args=("bench",), mode="default"):
    return SimpleNamespace(
        stash={_REQUEST: Request(mode=mode)},
        option=SimpleNamespace(keyword=keyword),
        args=list(args),
        invocation_params=SimpleNamespace(dir=Path("/project")),
    )


@pytest.mark.parametrize(
    ("keyword", "args", "asked"),
    [
        ("", ["bench"], False),
        ("not cpu", ["bench"], False),
        ("pair", ["bench"], True),
        ("", ["bench/bench_pair.py"], True),
        ("", ["bench/bench_pair.py::bench_pair"], True),
    ],
)
def test_pytest_leaves_expensive_experiments_out_unless_they_are_named(keyword, args, asked):
    file = Path("/project/bench/bench_pair.py")
    assert is_named(config(keyword, args), file) is asked
    assert is_asked_for(config(keyword, args), Pair(from_mode="named"), file) is asked
    assert is_asked_for(config(keyword, args), Pair(from_mode="rigorous"), file) is asked
    assert is_asked_for(config(keyword, args, "rigorous"), Pair(from_mode="rigorous"), file)
    assert is_asked_for(config(keyword, args), Pair(), file)
    assert is_asked_for(config(keyword, args), Null(), file)
