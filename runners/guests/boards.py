"""Name the machine types whose devices guests have."""

from __future__ import annotations

from typing import Literal

Board = Literal["microvm", "q35", "pc"]
"""QEMU's machine type; ``pc`` is the i440FX of 1996, which ``qemu-system-x86_64`` still takes without ``-M``."""
