"""The application in three shapes in real places: a worker is replaced without a failed request, and deaths are counted."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.experiments import services
from tare.bench.experiments.applications import load
from tare.bench.experiments.base import Lab
from tare.bench.experiments.services import SERVICES
from tare.bench.experiments.serving import listening_address
from tare.bench.experiments.shop import open_shop
from tare.bench.measurable import CrowdSettings
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import TareError
from tare.runners.model import Job, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.runners.images.image import Image

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=64 << 20)


def with_programs(image: Image, cache: Path) -> Image:
    for path, file in SERVICES[0].files(cache).items():
        target = image.tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return image


def test_a_worker_is_replaced_without_a_failed_request_and_nothing_stays(monkeypatch):
    monkeypatch.setattr(services, "MAXIMUM_SECONDS", 0.1)
    monkeypatch.setattr(services, "LOAD_SECONDS", 0.2)
    monkeypatch.setattr(services, "HOP_ROUNDS", 1)
    monkeypatch.setattr(services, "_LEAST_REPLACE_SECONDS", 0.8)
    with run_context() as (context, image):
        for name in ("bare", "namespaces:bridge"):
            with closing(Bare(context) if name == "bare" else Namespaces(context, name)) as runner:
                probe = runner.probe()
                if not probe.ok:
                    assert os.getuid()
                    pytest.skip(f"{probe.reason}; {probe.remedy}")
                runner.prepare(with_programs(image, context.cache), LIMITS)
                lab = Lab(runner, image, LIMITS, context, None, CrowdSettings(), 0.05, print)
                for one in SERVICES[:2] if name == "bare" else SERVICES[2:]:
                    found = {each.name: each.value for each in one.perform(lab).metrics}
                    assert found["app.max.rate"] > 0
                    if one.shape != "one":
                        assert found["services.replace.failed"] == 0
                if name != "bare":
                    _misbehave(lab)
    assert settled_state(context.run) == EMPTY


def _misbehave(lab: Lab) -> None:
    """Let services flood, die and hang under load: what fails is counted, so a count of 0 says that nothing did."""
    with open_shop(lab, "place", LIMITS) as opened:
        assert opened.ask("/item/12345") == "item 12345 costs 9698"
        place = opened.store.place
        place.start(Job((f"{place.root.rstrip('/')}/runaway", "show", "/dev/zero"), output_limit_bytes=100))
        orders = replace(services._orders(200, 0.3), warmup_seconds=0, drain_seconds=0.1)
        offer = orders.job(opened.client, opened.at)
        running = opened.client.start(offer)
        running.wait_for(lambda _one: False, 0.1)
        opened.stop(opened.worker)
        assert 0 < services._told(running, 5)["failed"] < 60
        with pytest.raises(TareError, match="the next service takes no connection"):
            opened.ask("/item/1")
        opened.drop(opened.worker)
        opened.use(opened.start_worker())
        assert load.answer(opened.client.run(offer))["answered"] == 60
        _stop(f"store\0{listening_address(place)}\0{opened.store.port}\0")
        assert load.answer(opened.client.run(offer))["unanswered"] == 60


def _stop(words: str) -> None:
    """Send SIGSTOP to the process with these words in its command line, which is empty for a moment during an exec."""
    deadline = time.monotonic() + 10
    while len(found := [*_processes_with(words.encode())]) != 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    (pid,) = found
    os.kill(pid, signal.SIGSTOP)


def _processes_with(words: bytes) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if words in (entry / "cmdline").read_bytes():
                yield int(entry.name)
