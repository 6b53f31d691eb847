"""Choose KVM or TCG by what the micro guest measured, and say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.results.environment import KvmBaseline
    from tare.runners.settings import Accel


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen accelerator, or the reason why there is none."""

    accelerator: Accel | None
    """``kvm`` or ``tcg``; ``None``: the one asked for cannot be used."""
    why: str
    """Reason in one line."""
    remedy: str = ""
    """How KVM could be used; empty: it is used, or nothing is known to help."""


def choose(asked: Accel, baseline: KvmBaseline) -> Choice:
    """Choose the accelerator.

    ``auto`` takes KVM if ordinary kernels run under it. One asked for by name is used or refused; ``kvm`` by name needs
    only a KVM that opens and makes VMs, since a kernel made for it may boot where ordinary ones cannot.
    """
    if asked == "tcg":
        return Choice("tcg", "TCG was asked for")
    if asked == "kvm":
        if baseline.usable or baseline.figures.get("create_vcpu_seconds") is not None:
            return Choice("kvm", f"KVM was asked for; {baseline.reason}")
        return Choice(None, f"KVM was asked for, but {baseline.reason}", baseline.remedy)
    if baseline.usable:
        return Choice("kvm", baseline.reason)
    return Choice("tcg", f"TCG, because {baseline.reason}", baseline.remedy)
