"""What the tests of runtimes and peers share: the real runner of a name, prepared, or a skip that says why not."""

import contextlib
import functools

import pytest

from support.launched_places import run_context
from tare.runners.context import Supplies
from tare.runners.errors import Missing
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.registry import make
from tare.runners.settings import RunnerSettings


@functools.cache
def provision():
    """One for the whole session: programs are looked for once."""
    return Provision(default_cache())


@contextlib.contextmanager
def prepared(name, limits, run="", *, supplier=None):
    supplier = supplier or provision()
    with run_context(run) as (context, image):
        runner = make(name, Supplies(context, supplier, RunnerSettings()))
        if tool := getattr(runner, "tool_name", ""):
            with contextlib.suppress(Missing):
                supplier.tool(tool)
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{name}: {probe.reason}; {probe.remedy}")
        runner.prepare(image, limits)
        try:
            yield runner
        finally:
            runner.close()
