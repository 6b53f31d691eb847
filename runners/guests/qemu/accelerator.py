"""KVM or TCG: decided by what the micro guest measured, and said why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.results.environment import KvmBaseline
    from tare.runners.settings import Accel


@dataclass(frozen=True, slots=True)
class Choice:
    """An accelerator, or none and the reason."""

    accelerator: Accel | None
    """``kvm``, ``tcg``, or ``None`` if the one asked for cannot be had."""
    why: str
    """One line."""
    remedy: str = ""


def choose(asked: Accel, floor: KvmBaseline) -> Choice:
    """``auto`` takes KVM iff ordinary kernels run under it; one asked for by name is used or fails.

    ``kvm`` by name needs only a KVM that opens and makes VMs: which kernel can run under it is then the business
    of the one who asked (a kernel made for it may boot where ordinary ones cannot).
    """
    if asked == "tcg":
        return Choice("tcg", "TCG was asked for")
    if asked == "kvm":
        if floor.usable or floor.figures.get("create_vcpu_seconds") is not None:
            return Choice("kvm", f"KVM was asked for; {floor.reason}")
        return Choice(None, f"KVM was asked for, but {floor.reason}", floor.remedy)
    if floor.usable:
        return Choice("kvm", floor.reason)
    return Choice("tcg", f"TCG, because {floor.reason}", floor.remedy)
