"""Name what a run makes in an engine, and remove it: when the run ends, or at a later start if it was killed."""

from __future__ import annotations

from pathlib import Path

from tare.results.said import say
from tare.runners.containers.engines.api import DockerApi, EngineError
from tare.runners.containers.engines.private import PrivateDocker

LABEL = "tare.run"


def label(run: str) -> str:
    """Compose the label of everything that a run makes in an engine."""
    return f"{LABEL}={run}"


def repository(run: str) -> str:
    """Compose the repository of the run's images, whose tags are content hashes. Docker allows no capitals."""
    return f"tare-{run.lower()}"


def clear_docker(socket: str, run: str) -> list[str]:
    """Remove all containers and images of a run from the daemon at ``socket``.

    Returns:
        One phrase for each thing removed.

    Raises:
        EngineError: the daemon does not answer (``absent``) or refuses.
    """
    api = DockerApi(socket)
    removed = []
    try:
        for container in api.containers(label(run)):
            api.remove_container(container)
            removed.append(say("removed.docker_container", "Docker container {name}", name=container[:12]))
        for tag in api.images(f"{repository(run)}:*"):
            api.remove_image(tag)
            removed.append(say("removed.docker_image", "Docker image {name}", name=tag))
    except EngineError as error:
        # Everything in the private daemon goes with its folders.
        private = PrivateDocker(Path(socket).parent.name)
        if error.absent and Path(socket) == private.listens_at and private.status() != "running":
            return removed
        raise
    return removed
