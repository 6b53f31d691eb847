"""Run a program by its own loader."""

from __future__ import annotations


def loader_argv(root: str, interpreter: str, directories: tuple[str, ...]) -> tuple[str, ...]:
    """Give the beginning of a command line that runs a program by the loader and libraries below ``root`` (ld.so(8)).

    The program's path has to follow; it also becomes ``argv[0]``, so ``--argv0`` of newer loaders is not needed.
    """
    base = root.rstrip("/")
    path = ":".join(f"{base}{directory}" for directory in directories)
    # Without this flag glibc would look up libraries it opens later in the host's cache. musl has no cache.
    flags = () if "musl" in interpreter else ("--inhibit-cache",)
    return (f"{base}{interpreter}", *flags, "--library-path", path)
