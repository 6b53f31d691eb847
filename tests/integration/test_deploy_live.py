"""A server deployed for real, without an engine; and the forms of a guest's disk, by qemu-img."""

import os
import subprocess

import pytest

from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.experiments.base import Lab
from tare.bench.experiments.deploy import DEPLOYS
from tare.bench.measurable import CrowdSettings
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import Missing
from tare.runners.images.qcow import convert, difference
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=256 << 20)


@pytest.mark.parametrize(
    "deploy",
    # The others fetch or carry much more, which is for `nox -s engines`.
    [pytest.param(each, id=each.name, marks=() if number == 0 else pytest.mark.engines)
     for number, each in enumerate(DEPLOYS)],
)  # fmt: skip
def test_a_server_by_layers(deploy):
    with run_context() as (context, image):
        runner = Namespaces(context)
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        provision = Provision(context.cache)
        runner.prepare(image, LIMITS)
        try:
            findings = deploy.perform(
                Lab(runner, image, LIMITS, context, provision, CrowdSettings(), 0.1, lambda _line: None)
            )
        finally:
            runner.close()
        assert not list(context.workdir.glob("deploy-*"))
    found = {metric.name: metric.value for metric in findings.metrics}
    *below, app = findings.details.layers["v2"]
    moved = found["deploy.layers-empty.moved"] - found["deploy.layers-cached.moved"]
    assert moved == sum(layer.tar_bytes for layer in below)
    assert list(findings.details.layers["v1"][:-1]) == below
    assert findings.details.layers["v1"][-1].digest != app.digest
    assert found["deploy.image"] == sum(layer.size_bytes for layer in (*below, app))
    assert 0 < found["deploy.read"] <= found["deploy.image"]
    assert settled_state(context.run) == EMPTY


def test_a_difference_holds_what_differs(tmp_path):
    try:
        tool = Provision(default_cache()).tool("qemu-img")
    except Missing as missing:
        pytest.skip(f"{missing.reason} {missing.remedy}")
    before = tmp_path / "before.raw"
    after = tmp_path / "after.raw"
    content = bytearray(os.urandom(8 << 20))
    before.write_bytes(content)
    content[5 << 20] ^= 1
    after.write_bytes(content)
    base = convert(before, tmp_path / "before.qcow2", tool)
    overlay = difference(base, after, tmp_path / "overlay.qcow2", tool)
    assert base.stat().st_size > 8 << 20
    assert overlay.stat().st_size < 1 << 20
    back = tmp_path / "back.raw"
    subprocess.run(
        tool.argv("convert", "-O", "raw", str(overlay), str(back)), check=True, env={**tool.environ}
    )
    assert back.read_bytes() == bytes(content)
