"""Choose KVM or TCG by what the micro guest measured, and say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.said import say

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
        return Choice("tcg", say("accelerator.tcg_asked", "TCG was asked for"))
    if asked == "kvm":
        if baseline.usable or baseline.figures.get("create_vcpu_seconds") is not None:
            return Choice(
                "kvm", say("accelerator.kvm_asked", "KVM was asked for; {reason}", reason=baseline.reason)
            )
        why = say("accelerator.kvm_refused", "KVM was asked for, but {reason}", reason=baseline.reason)
        return Choice(None, why, baseline.remedy)
    if baseline.usable:
        return Choice("kvm", baseline.reason)
    why = say("accelerator.tcg", "TCG, because {reason}", reason=baseline.reason)
    return Choice("tcg", why, baseline.remedy)
