"""kubectl, and what it says: everything that is asked of a cluster outside of timed regions goes through it.

So whatever way of logging in a kubeconfig has (certificates, tokens, a cloud's helper program) works here too.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.runners.errors import PlaceFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.provision.tools import Tool

ASK_SECONDS = 10.0
PROBE_SECONDS = 5.0
REMEDY = "set KUBECONFIG to a cluster's, or try one: `nox -s kubernetes`"
PASSED = ("HOME", "PATH", "KUBECONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY")
"""Of our environment, what kubectl and the helper programs of kubeconfigs live by."""


class ClusterError(PlaceFailure):
    """The cluster cannot be reached, or refuses."""

    absent = True
    """As far as a client that failed can tell: what the run has in it is tried again."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The program, aimed at one cluster."""

    tool: Tool
    kubeconfig: str = ""
    """``KUBECONFIG`` for it; empty: as the user has it."""
    context: str = ""
    """Of the kubeconfig; empty: its current one."""

    @property
    def environ(self) -> dict[str, str]:
        """Its environment."""
        passed = {name: os.environ[name] for name in PASSED if name in os.environ}
        given = {"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {}
        return {**passed, **self.tool.environ, **given}

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """A command line."""
        return self.tool.argv(*(("--context", self.context) if self.context else ()), *arguments)

    def run(self, *arguments: str, seconds: float = ASK_SECONDS, stdin: str = "") -> str:
        """Run it to its end; returns what it wrote.

        Raises:
            ClusterError: it failed, or took too long; the text has its words.
        """
        try:
            done = subprocess.run(
                self.argv(*arguments), env=self.environ, input=stdin, capture_output=True, text=True,
                errors="replace", check=False, timeout=seconds,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClusterError(
                f"kubectl: {error}", remedy="check the cluster: `kubectl cluster-info`"
            ) from error
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise ClusterError(
                f"kubectl {arguments[0]}: {lines[-1]}", remedy="check the cluster: `kubectl cluster-info`"
            )
        return done.stdout

    def ask(self, *arguments: str, seconds: float = ASK_SECONDS) -> Mapping[str, Any]:
        """As :meth:`run`, for what answers in JSON."""
        try:
            found: Mapping[str, Any] = json.loads(self.run(*arguments, "--output", "json", seconds=seconds))
        except ValueError as error:
            raise ClusterError(f"kubectl {arguments[0]} answered what is no JSON: {error}") from error
        return found
