"""Stressors that fill memory and fork, in places whose limits are on, and never elsewhere; nothing of them stays."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.experiments import neighbours
from tare.bench.experiments.base import Lab
from tare.bench.experiments.neighbours import NEIGHBOURS
from tare.bench.measurable import CrowdSettings, Terms, Unsuitable
from tare.bench.planning.siblings import Siblings
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.context import Supplies
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.model import Limits
from tare.runners.provision.tools import Provision
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    from tare.runners.context import RunContext
    from tare.runners.images.image import Image

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=2, memory_bytes=128 << 20, pids=128)
CONTAINED = {one.stressor.name: one for one in NEIGHBOURS if one.stressor.contained and not one.neighbour}


def image_with_stressor(context: RunContext, provision: Provision) -> Image:
    files = {path.lstrip("/"): file for path, file in CONTAINED["memory"].files(context.cache).items()}
    content = ImageContent(programs=("stress-ng",), layers=(("programs", files),))
    return build_image(content, provision, context.cache)


def test_memory_and_processes_are_taken_in_contained_places_only_and_nothing_stays(monkeypatch):
    monkeypatch.setattr(neighbours, "ROUNDS", 1)
    monkeypatch.setattr(neighbours, "SETTLE_SECONDS", 0.1)
    with run_context() as (context, _image):
        provision = Provision(context.cache)
        image = image_with_stressor(context, provision)
        siblings = Siblings(Supplies(context, provision, RunnerSettings()))
        with closing(siblings), closing(Namespaces(context, "namespaces")) as runner:
            probe = runner.probe()
            if not probe.ok:
                pytest.skip(f"{probe.reason}; {probe.remedy}")
            lab = Lab(runner, image, LIMITS, context, provision, CrowdSettings(), 0.05, print, siblings)
            for one in CONTAINED.values():
                with pytest.raises(Unsuitable, match="bare metal is none"):
                    one.admit(siblings.get("bare", image, replace(LIMITS, cpus=1)), Terms(LIMITS))
                try:
                    found = {each.name: each.value for each in one.perform(lab).metrics}
                except Unsuitable as error:  # an ordinary user without a delegated cgroup
                    if not os.getuid():
                        raise
                    pytest.skip(str(error))
                assert found["neighbours.throughput.apart"] > 0
    assert settled_state(context.run) == EMPTY
