"""Define what a user may say about a workload of theirs. The JSON Schema in ``docs`` is made from these types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tare.bench.workloads.output_metrics import MetricRule  # noqa: TC001 - msgspec reads the annotations
from tare.results.json_schema import schema_of

NAME = r"[A-Za-z][\w.+-]{0,63}"
"""Pattern of the names of workloads and parameters."""
SOCKET = r"^$|^[\w.-]+$"
"""Pattern of the name of a server's socket; empty: it has none."""

DEFAULT_TIMEOUT = 300.0
"""Seconds for one run of a command."""

Words = Annotated[
    str | tuple[str, ...],
    Meta(
        description="A command line as text, split into words as a shell would (but no shell runs it), or a list of words. "
        "{NAME} stands for a parameter; {scratch} for the place's writable folder, in which commands start; {here} for the "
        "folder with what is carried from the working directory; {cpus} for the place's number of CPUs."
    ),
]
Value = str | int | float | bool
Values = Annotated[tuple[Value, ...], Meta(min_length=1, max_length=100)]
"""Values of a parameter."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Sign by which a server is known to be ready; without one, it is ready when it takes a connection."""

    line: Annotated[
        str,
        Meta(description="Regular expression that is searched in the first 32 KiB of the server's output."),
    ] = ""
    http: Annotated[
        str, Meta(description="Path, such as /health, that it answers by HTTP with a status of 2xx or 3xx.")
    ] = ""
    listens: Annotated[
        bool,
        Meta(
            description="Ask the kernel of the server's place who listens, and make no connection: for servers of a port that "
            "do not bear one that is closed at once."
        ),
    ] = False
    timeout: Annotated[float, Meta(description="Seconds until it counts as failed.", gt=0, le=3600)] = 30.0


class OwnServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Server that runs in the place while the workload's command, its client, is measured.

    It has to stay in the foreground. In all commands {port} stands for its port, {socket} for the path of its socket,
    {listen} for the address to listen on and, for the client, {address} for the address to connect to.
    """

    command: Words
    prepare: Annotated[Words, Meta(description="Command that precedes the server, untimed.")] = ()
    ready: Ready = Ready()
    client: Annotated[
        Literal["same", "host", "other"],
        Meta(
            description="Where the client runs: in the same place, on the host (bare metal), or in another place of the same "
            "runner."
        ),
    ] = "same"
    port: Annotated[
        int,
        Meta(description="Port that the server insists on. 0: any free one, as {port} says.", ge=0, le=65535),
    ] = 0
    socket: Annotated[
        str,
        Meta(
            description="Name of its UNIX socket, which is in the scratch folder, in the place of a port.",
            pattern=SOCKET, max_length=40,
        ),
    ] = ""  # fmt: skip
    warmups: Annotated[
        int,
        Meta(description="Runs of the client before the measured one that are not counted.", ge=0, le=100),
    ] = 0


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One workload: a command and everything that belongs to it."""

    command: Words
    family: Annotated[str, Meta(description="Group that -k matches as well.", pattern=f"^{NAME}$")] = "own"
    summary: Annotated[str, Meta(description="One line that says what is measured.", max_length=200)] = ""
    prepare: Annotated[
        Words, Meta(description="Command before each measured one, untimed, in the same place.")
    ] = ()
    cleanup: Annotated[
        Words, Meta(description="Command after each measured one, untimed, in the same place.")
    ] = ()
    identity: Annotated[
        str,
        Meta(
            description="Text that stands for the command in the identity of the series, so that runs stay comparable although "
            "a path in the command changes. Empty: the command line itself.",
            max_length=400,
        ),
    ] = ""
    stdin: Annotated[str, Meta(description="Standard input of the command.")] = ""
    environment: Annotated[dict[str, str], Meta(description="Variables besides those of the image.")] = {}
    carry: Annotated[
        tuple[str, ...],
        Meta(
            description="Files and folders that the commands need in the image, besides those that their words name. "
            "Relative ones are below {here} there."
        ),
    ] = ()
    parameters: Annotated[
        dict[str, Values],
        Meta(
            description="Name of a parameter and its values. Each combination is a workload, and a series, of its own."
        ),
    ] = {}
    exit_codes: Annotated[
        Annotated[tuple[Annotated[int, Meta(ge=0, le=255)], ...], Meta(min_length=1)] | Literal["any"],
        Meta(description="Exit codes of success, or any."),
    ] = (0,)
    timeout: Annotated[
        float, Meta(description="Seconds after which the command is ended.", gt=0, le=86400)
    ] = DEFAULT_TIMEOUT
    metrics: Annotated[
        dict[str, MetricRule], Meta(description="Name of a metric, and where in the output it is.")
    ] = {}
    duet: Annotated[
        Literal["", "one", "all"],
        Meta(
            description="one: the CPU time is compared of commands that run at the same time in all places, on one CPU; all: "
            "on all CPUs. Only for what can run beside its like: no fixed port, no lock, no file outside of the scratch folder."
        ),
    ] = ""
    server: OwnServer | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Definitions of workloads in workloads/*.toml, and in tare.toml beside the settings."""

    workloads: Annotated[
        dict[str, Definition], Meta(description="Name of a workload, and its definition.")
    ] = {}


def schema() -> dict[str, Any]:
    """Make the JSON Schema of a file of definitions."""
    made = schema_of(Document)
    return {"$schema": made.pop("$schema"), "title": "Tare's own workloads", **made}
