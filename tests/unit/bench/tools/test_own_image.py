"""The image of Tare itself has all programs that places need, compiled; ``nox -s image`` runs it."""

from support.paths import ROOT
from tare.bench.tools.own_image import LAZY, sources


def test_every_program_of_places_is_compiled_beforehand():
    names = {path.name for path in sources()}
    assert {"agent.c", "launcher.c", "inside.c", "pause.c", "work.c", "load.c"} <= names
    built = {path.name for part in ("bench", "runners") for path in (ROOT / part).rglob("*.c")}
    # The rest is measured or compiled by others: a sample for the compiler, and programs of the developers' tools.
    assert built - names == {"compile_sample.c", "hostile.c", "harness_reference.c", "harness_true.c"}


def test_packages_that_are_imported_late_are_named():
    requirements = (ROOT / "pyproject.toml").read_text("utf-8")
    assert all(name.replace("elf", "pyelf") in requirements for name in LAZY)
