"""Running a program by its own loader."""

from __future__ import annotations


def loader_argv(root: str, interpreter: str, directories: tuple[str, ...]) -> tuple[str, ...]:
    """The front of a command line that runs a program by the loader and libraries below ``root``, see ld.so(8).

    The program's path follows; it also becomes ``argv[0]``, so no newer loader's ``--argv0`` is needed.
    """
    base = root.rstrip("/")
    path = ":".join(f"{base}{directory}" for directory in directories)
    # Without the first, glibc would take what it opens later from the host's cache. musl has none.
    flags = () if "musl" in interpreter else ("--inhibit-cache",)
    return (f"{base}{interpreter}", *flags, "--library-path", path)
