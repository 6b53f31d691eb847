"""Write down what is true of a whole run: host, plan, versions, images, probes."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict

from tare.bench.planning.record import plan_to_record
from tare.bench.request.provenance import provenance
from tare.results.environment import ProbeRecord
from tare.results.record import FORMAT_VERSION, Manifest
from tare.results.said import say
from tare.runners.host.conditions import conditions
from tare.runners.host.facts import context_facts, host_facts
from tare.runners.host.files import ROOT
from tare.runners.host.open_files import file_limit
from tare.runners.host.steal import steal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.campaign.provision import Provisioned
    from tare.bench.planning.plan import Plan
    from tare.bench.request.request import Request
    from tare.runners.host.steal import CpuSample
    from tare.runners.model import Probe

_PACKAGES = (
    "tarebench",
    "pytest-benchmark",
    "psutil",
    "msgspec",
    "numpy",
    "pandas",
    "matplotlib",
    "py-spy",
)
"""Distributions whose versions are recorded."""


def make_manifest(request: Request, provisioned: Provisioned, plan: Plan) -> Manifest:
    """Make the manifest of a run that begins now."""
    context, image = provisioned.bench.supplies.context, provisioned.image
    facts = host_facts(context.workdir)
    asked = provisioned.bench.provenance
    origin = asked() if asked else provenance(request.argv, request.labels)
    found = conditions(context.workdir, since=provisioned.bench.cpu_before)
    return Manifest(
        format=FORMAT_VERSION,
        run=context.run,
        name=request.settings.run.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        mode=plan.mode,
        seed=plan.seed,
        status="running",
        host={**facts, "conditions": [asdict(condition) for condition in found]},
        context={
            **context_facts(facts),
            "image": image.key,
            "limits": msgspec.to_builtins(provisioned.limits),
        },
        plan=msgspec.to_builtins(plan_to_record(plan, request)),
        versions=_versions(),
        image=dict(image.record()),
        variant_images={key: own.record() for key, own in provisioned.own_images.items()},
        probes={key: _probe_record(probe) for key, probe in provisioned.bench.probes.items()},
        limits=dict(provisioned.verified),
        provenance=msgspec.structs.replace(origin, images=provisioned.pulled_images),
        notes={"open_files": file_limit().describe()},
    )


def with_steal(host: Mapping[str, Any], sample: CpuSample) -> dict[str, Any]:
    """Give a manifest's facts of the host with the steal time since the sample began, in place of an earlier one."""
    found = asdict(steal(ROOT, sample))
    return {
        **host,
        "conditions": [found if one["name"] == found["name"] else one for one in host["conditions"]],
    }


def _probe_record(probe: Probe) -> ProbeRecord:
    """Make the record of a probe."""
    return ProbeRecord(
        ok=probe.ok,
        reason=probe.reason,
        remedy=probe.remedy,
        rung=probe.rung,
        kvm=probe.kvm,
        steps=probe.steps,
        facts=probe.facts,
    )


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the packages in use."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = say("fact.not_installed", "not installed")
    return versions
