"""Name the folders that tests read: the repository, the golden files, the sources of test programs."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository's root folder."""

SUPPORT = ROOT / "tests" / "support"
"""Doubles, factories and the C sources of programs that only tests run."""

GOLDEN = ROOT / "tests" / "golden"
"""Recorded outputs and results that must stay readable, byte for byte."""

SHARED = ROOT.parent / "shared"
"""Files that developers share beside the clone, such as a kernel with guest KVM support; may be missing."""
