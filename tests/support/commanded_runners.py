"""Prepare the real runner of a name for a test, or skip the test and say why."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from support.launched_places import run_context
from tare.runners.context import Supplies
from tare.runners.errors import Missing
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.registry import make
from tare.runners.settings import RunnerSettings


@functools.cache
def provision() -> Provision:
    """Give the session's only provision, so that programs are looked for once."""
    return Provision(default_cache())


@contextlib.contextmanager
def prepared(name: str, limits: Limits, run: str = "", *, supplier: Provision | None = None) -> Iterator[Any]:
    """Give the runner, whose inside tests may look at, prepared on a small image; skip where it does not work."""
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
