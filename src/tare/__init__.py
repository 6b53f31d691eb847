"""Tare weighs the boxes that software runs in: bare metal, namespace containers and KVM guests.

:func:`run` measures, :func:`load` and :func:`compare` read stored runs; :mod:`tare.bench.api` describes them.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # in place of typing's: while it is imported, an interrupt would still end in a traceback
)
if TYPE_CHECKING:
    from typing import Any

    from tare.bench.api import Run, compare, load, run, workload

__all__ = ["Run", "compare", "load", "run", "workload"]


def __getattr__(name: str) -> Any:
    """Import the interface when it is first used: every command and every launched process loads this module."""
    if name not in __all__:
        raise AttributeError(f"module 'tare' has no attribute {name!r}")
    from tare.bench import api  # noqa: PLC0415 - see above

    return getattr(api, name)
