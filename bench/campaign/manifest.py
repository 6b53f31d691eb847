"""Write down what is true of a whole run: host, plan, versions, images, probes."""

from __future__ import annotations

import datetime
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.request.record import request_to_record
from tare.results.record import FORMAT_VERSION, Manifest
from tare.runners.host.conditions import conditions
from tare.runners.host.facts import context_facts, host_facts

if TYPE_CHECKING:
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.planning.plan import Plan
    from tare.bench.request.request import Request
    from tare.runners.model import Probe

_PACKAGES = (
    "tarebench",
    "pytest-benchmark",
    "psutil",
    "msgspec",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "py-spy",
)
"""Distributions whose versions are recorded."""


def make_manifest(request: Request, provisioned: Provisioned, plan: Plan) -> Manifest:
    """Make the manifest of a run that begins now."""
    context, image = provisioned.bench.supplies.context, provisioned.image
    facts = host_facts(context.workdir)
    own_images = {key: own.record() for key, own in provisioned.own_images.items()}
    return Manifest(
        format=FORMAT_VERSION,
        run=context.run,
        name=request.settings.run.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        mode=plan.mode.name,
        seed=plan.seed,
        status="running",
        host={**facts, "conditions": [asdict(condition) for condition in conditions(context.workdir)]},
        context={
            **context_facts(facts),
            "image": image.key,
            "limits": msgspec.to_builtins(provisioned.limits),
        },
        plan={**plan.record(), "request": msgspec.to_builtins(request_to_record(request))},
        versions=_versions(),
        image=dict(image.record()),
        notes={
            "probes": {key: _probe_record(probe) for key, probe in provisioned.bench.probes.items()},
            "limits": dict(provisioned.verified),
            **({"images": own_images} if own_images else {}),
        },
    )


def _probe_record(probe: Probe) -> dict[str, Any]:
    """Turn a probe into JSON's types; facts of other types are left out."""
    facts = {
        name: value
        for name, value in probe.facts.items()
        if isinstance(value, str | int | float | bool | list | dict)
    }
    return {"ok": probe.ok, "reason": probe.reason, "remedy": probe.remedy, "facts": facts}


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the packages in use."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
