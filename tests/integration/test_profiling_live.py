"""A Python server of two processes, profiled by the real py-spy on bare metal and in a container."""

import os
from contextlib import closing

import pytest
from msgspec.structs import replace

from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.campaign.profiled_places import ProfiledRunner
from tare.bench.campaign.sampling import IN_IMAGE, py_spy, why_nothing
from tare.bench.experiments.base import Lab
from tare.bench.experiments.served_command import ServedCommand
from tare.bench.experiments.serving import Readiness
from tare.bench.measurable import CrowdSettings
from tare.bench.workloads.command import Command
from tare.reports.summaries.profiles import added, read_samples
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.inside import image_files
from tare.runners.model import Limits
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=512 << 20, pids=64)
SERVER = """
import os, socket, sys
def spin_of_parent(): return sum(i * i for i in range(3000))
def spin_of_worker(): return sum(i * i for i in range(3000))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
spin = spin_of_parent if os.fork() else spin_of_worker
print("ready", flush=True)
while True:
    spin()
"""
CLIENT = "import time; time.sleep(0.7)"


def test_both_processes_of_a_server_are_in_its_profile():
    with run_context() as (context, _):
        files = {**image_files(context.cache), IN_IMAGE: py_spy()}
        content = ImageContent(programs=["python3"], extra_files=files)
        built = build_image(content, Provision(context.cache), context.cache)
        python = built.programs["python3"]
        words = {"own": ("-c", CLIENT), "own.server": ("-c", SERVER, "{port}")}
        environ = {"PYTHONHOME": built.python_home}
        own = {name: replace(python, arguments=each, environ=environ) for name, each in words.items()}
        image = replace(built, programs={**built.programs, **own})
        for runner in (Bare(context), Namespaces(context, "namespaces")):
            with closing(runner):
                _profile(runner, image, context)
    assert settled_state(context.run) == EMPTY


def _profile(runner, image, context):
    if not runner.probe().ok:
        assert os.getuid()
        return
    runner.prepare(image, LIMITS)
    profiled = ProfiledRunner(runner, image)
    served = ServedCommand(
        client=Command(argv=("python3",), program="own"), server=("python3",), ready=Readiness("line", pattern="^ready"),
    )  # fmt: skip
    findings = served.perform(Lab(profiled, image, LIMITS, context, None, CrowdSettings(), 0.1, print))
    assert findings.failure is None
    (taken,) = profiled.taken
    stacks = added(read_samples(one, taken.hidden)[0] for one in taken.sampled.documents)
    if os.getuid() and not stacks:
        pytest.skip(
            f"an ordinary user may not look into processes here: {why_nothing()} {taken.sampled.trouble}"
        )
    assert taken.sampled.trouble == ""
    for function, processes in (("spin_of_parent (<string>)", 1), ("spin_of_worker (<string>)", 2)):
        found = [stack for stack in stacks if function in stack]
        assert found, function
        assert {sum(frame.startswith("process: ") for frame in stack) for stack in found} == {processes}
