"""The runners by name. Each is imported only when it is asked for."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.record import BASE
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tare.runners.context import RunContext, Runner
    from tare.runners.provision.tools import Provision
    from tare.runners.settings import RunnerSettings


@dataclass(frozen=True, slots=True)
class Supplies:
    """What makers of runners may draw on."""

    context: RunContext
    provision: Provision
    settings: RunnerSettings


def _bare(supplies: Supplies, _name: str) -> Runner:
    from tare.runners.bare import Bare  # noqa: PLC0415

    return Bare(supplies.context)


def _namespaces(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.namespaces.runner import Namespaces  # noqa: PLC0415

    return Namespaces(supplies.context, name=name)


def _qemu(supplies: Supplies, name: str) -> Runner:
    from tare.runners.guests.qemu.runner import QemuRunner  # noqa: PLC0415

    return QemuRunner(supplies.context, supplies.provision, supplies.settings.guest, name=name)


def _docker(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.engines.docker import DockerRunner  # noqa: PLC0415

    return DockerRunner(supplies.context, supplies.provision, name=name)


def _oci(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.oci.runner import OciRunner  # noqa: PLC0415

    return OciRunner(supplies.context, supplies.provision, name)


def _podman(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.engines.podman import PodmanRunner  # noqa: PLC0415

    return PodmanRunner(supplies.context, supplies.provision, name=name)


def _containerd(supplies: Supplies, _name: str) -> Runner:
    from tare.runners.containers.cri.availability import containerd  # noqa: PLC0415

    return containerd(supplies.context, supplies.provision)


def _bubblewrap(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.other.bubblewrap import Bubblewrap  # noqa: PLC0415

    return Bubblewrap(supplies.context, supplies.provision, name)


def _nspawn(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.other.nspawn import Nspawn  # noqa: PLC0415

    return Nspawn(supplies.context, supplies.provision, name)


def _lxc(supplies: Supplies, name: str) -> Runner:
    from tare.runners.containers.other.lxc import Lxc  # noqa: PLC0415

    return Lxc(supplies.context, supplies.provision, name)


def _microvm(supplies: Supplies, name: str) -> Runner:
    from tare.runners.guests.microvms.runner import MicroVmRunner  # noqa: PLC0415

    return MicroVmRunner(supplies.context, supplies.provision, supplies.settings.guest, name=name)


def _kubernetes(supplies: Supplies, _name: str) -> Runner:
    from tare.runners.containers.kubernetes.runner import Kubernetes  # noqa: PLC0415

    given = supplies.settings.kubernetes
    return Kubernetes(supplies.context, supplies.provision, image=given.image, socket=given.containerd)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of runner."""

    make: Callable[[Supplies, str], Runner]
    """Gets the whole name, variant included."""
    variants: Callable[[str], str] | None = None
    """What is wrong with a variant, the part of a name behind the colon; empty: nothing. ``None``: there are none."""
    spelt: Callable[[str], str] | None = None
    """The one way of many in which a right variant is written in names."""


def _rung(variant: str) -> str:
    from tare.runners.containers.namespaces.ladder import known  # noqa: PLC0415

    return "" if variant in known() else f"known are {', '.join(known())}"


LADDER = "ladder"
"""Stands for the whole isolation ladder where runners are asked for."""


def _commands(variant: str) -> str:
    from tare.runners.containers.oci.runtimes import CREATE_START  # noqa: PLC0415

    return "" if variant == CREATE_START else f"known is {CREATE_START}"


def _engine(variant: str) -> str:
    known = ("none", "host", "bridge", "privileged")
    return "" if variant in known else f"known are {', '.join(known)}"


def _guest(profile: str) -> Kind:
    def wrong(variant: str) -> str:
        from tare.runners.guests.qemu.profiles import PROFILES  # noqa: PLC0415
        from tare.runners.guests.qemu.variants import problem  # noqa: PLC0415

        return problem(PROFILES[profile], variant)

    def spelt(variant: str) -> str:
        from tare.runners.guests.qemu.variants import canonical  # noqa: PLC0415

        return canonical(variant)

    return Kind(_qemu, wrong, spelt)


GUESTS = ("microvm", "q35", "q35-firmware", "pc", "microvm-restored", "q35-restored")
"""The profiles of :mod:`tare.runners.guests.qemu.profiles`, which is not imported before one is asked for."""

KINDS = {
    "bare": Kind(_bare),
    "namespaces": Kind(_namespaces, _rung),
    "runc": Kind(_oci, _commands),
    "crun": Kind(_oci, _commands),
    "youki": Kind(_oci, _commands),
    "runsc": Kind(_oci, _commands),
    "kata": Kind(_oci, _commands),
    "podman": Kind(_podman, _engine),
    "bubblewrap": Kind(_bubblewrap),
    "systemd-nspawn": Kind(_nspawn),
    "lxc": Kind(_lxc),
    "docker": Kind(_docker, _engine),
    "containerd": Kind(_containerd),
    "kubernetes": Kind(_kubernetes),
    **{f"qemu-{profile}": _guest(profile) for profile in GUESTS},
    "firecracker": Kind(_microvm),
    "firecracker-restored": Kind(_microvm),
    "cloud-hypervisor": Kind(_microvm),
    "cloud-hypervisor-restored": Kind(_microvm),
}
"""A runner's name is one of these, or ``KIND:VARIANT`` where the kind has variants: ``namespaces:+pid``."""

DEFAULT = ("bare", "namespaces", "qemu-microvm", "qemu-q35")
QUICK = ("bare", "namespaces", "qemu-microvm")


def check(asked: Sequence[str]) -> tuple[str, ...]:
    """The asked runners with the base in front; :data:`LADDER` becomes its rungs.

    Raises:
        UsageError: a name is unknown; the text offers near ones.
    """
    names = []
    asked = [one for name in asked for one in (_ladder() if name == LADDER else (name,))]
    for name in asked:
        kind, colon, variant = name.partition(":")
        if kind not in KINDS:
            near = difflib.get_close_matches(name, KINDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"--runners: unknown runner {name!r}{hint} Known are {', '.join((*KINDS, LADDER))}"
            )
        variants = KINDS[kind].variants
        wrong = "" if not colon else variants(variant) if variants else f"{kind} has no variants"
        if wrong:
            raise UsageError(f"--runners: unknown runner {name!r}: {wrong}")
        spelt = KINDS[kind].spelt
        names.append(f"{kind}:{spelt(variant)}" if variant and spelt else name)
    return tuple(dict.fromkeys((BASE, *names)))


def _ladder() -> tuple[str, ...]:
    from tare.runners.containers.namespaces.ladder import ladder  # noqa: PLC0415

    return ladder(root=os.getuid() == 0)


def make(name: str, supplies: Supplies) -> Runner:
    """The runner of that name."""
    return KINDS[name.partition(":")[0]].make(supplies, name)
