"""Remove what a run left in a runtime that speaks CRI."""

from __future__ import annotations

from pathlib import Path

from tare.results.said import say
from tare.runners.containers.cri import availability
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.engines.clearing import repository


def clear_cri(path: str, run: str) -> list[str]:
    """Remove all pods and images of a run from the runtime at the socket ``path``.

    Returns:
        One phrase for each thing removed.

    Raises:
        CriError: the runtime does not answer or the gRPC libraries are missing (``absent``), or it refuses.
    """
    if not Path(path).exists() and any(part.startswith("tare-") for part in Path(path).parts):
        return []  # a test cluster of ours, gone with everything in it
    if not availability.importable():
        raise CriError(
            say(
                "cri.not_asked",
                "the runtime at {path} cannot be asked: {no_library}",
                path=path,
                no_library=availability.NO_LIBRARY,
            ),
            remedy=availability.REMEDY,
            absent=True,
        )
    from tare.runners.containers.cri.client import Cri  # noqa: PLC0415

    removed = []
    with Cri(path) as cri:
        for sandbox in cri.sandboxes(run):
            cri.remove_pod(sandbox)
            removed.append(say("removed.pod", "pod {name} in containerd", name=sandbox[:12]))
        for tag in cri.images(f"localhost/{repository(run)}"):
            cri.remove_image(tag)
            removed.append(say("removed.image", "image {name} in containerd", name=tag))
    return removed
