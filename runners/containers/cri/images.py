"""Load images into containerd where CRI finds them. No gRPC library is needed here: ``ctr`` does the loading."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.runners.errors import PlaceFailure
from tare.runners.host.endings import last_words
from tare.runners.images.layers import layer_of
from tare.runners.images.oci import OciImage
from tare.runners.native.build import build

if TYPE_CHECKING:
    from typing import IO

    from tare.runners.provision.tools import Tool

IMPORT_SECONDS = 300.0
"""Time limit for one import on a busy disk."""
REMOVE_SECONDS = 60.0
NAMESPACE = "k8s.io"
"""The containerd namespace in which CRI keeps its images and containers."""
PAUSE_SOURCE = Path(__file__).with_name("pause.c")
PAUSE_TAG = "localhost/tare-pause:1"


def import_image(ctr: Tool, socket: str, archive: IO[bytes]) -> None:
    """Load an image archive into the containerd at ``socket``.

    Args:
        ctr: containerd's command-line client.
        socket: path of containerd's socket.
        archive: an OCI or docker archive, positioned at its start.

    Raises:
        PlaceFailure: ``ctr`` failed; the message quotes it.
    """
    command = ctr.argv("--address", socket, "--namespace", NAMESPACE, "images", "import", "-")
    try:
        done = subprocess.run(
            command, env=dict(ctr.environ), stdin=archive, capture_output=True, text=True, errors="replace",
            check=False, timeout=IMPORT_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlaceFailure(
            say("container.image_not_loaded", "the image cannot be loaded: {error}", error=error)
        ) from error
    if done.returncode:
        raise PlaceFailure(
            say(
                "container.ctr_import",
                "`ctr images import` at {socket}: {told}",
                socket=socket,
                told=last_words(done.stderr, done.returncode),
            ),
            log=done.stderr,
        )


def write_pause(cache: Path, to: IO[bytes]) -> None:
    """Write the archive of the pause image, whose one program is the first process of every pod."""
    with scratch_folder("pause", cache) as temporary:
        program = temporary / "pause"
        program.write_bytes(build(PAUSE_SOURCE, cache).read_bytes())
        program.chmod(0o755)
        OciImage((layer_of("pause", temporary),), PAUSE_TAG, entrypoint=("/pause",)).write_archive(to)
