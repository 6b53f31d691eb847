"""Query a cluster by kubectl, outside of timed regions.

This way every kind of login that a kubeconfig may have works: certificates, tokens, a cloud's helper program.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.host.endings import last_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.provision.tools import Tool

ASK_SECONDS = 10.0
PROBE_SECONDS = 5.0
REMEDY = say(
    "remedy.kubeconfig",
    "set KUBECONFIG to that of a cluster, or try one: `nox -s kubernetes`",
)
PASSED = ("HOME", "PATH", "KUBECONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY")
"""Environment variables that kubectl and the helper programs of kubeconfigs need."""


class ClusterError(PlaceFailure):
    """The cluster cannot be reached or refuses a request."""

    absent = True
    """Always true, since kubectl does not tell the two apart: clean-up is tried again at a later start."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Client of one cluster: the program and the choice of the cluster."""

    tool: Tool
    kubeconfig: str = ""
    """Value of ``KUBECONFIG``; empty: the user's."""
    context: str = ""
    """Context in the kubeconfig; empty: the current one."""

    @property
    def environ(self) -> dict[str, str]:
        """Complete environment of kubectl's processes."""
        passed = {name: os.environ[name] for name in PASSED if name in os.environ}
        given = {"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {}
        return {**passed, **self.tool.environ, **given}

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """Compose a command line for this cluster."""
        return self.tool.argv(*(("--context", self.context) if self.context else ()), *arguments)

    def run(self, *arguments: str, seconds: float = ASK_SECONDS, stdin: str = "") -> str:
        """Run kubectl to its end and return its output.

        Raises:
            ClusterError: it failed or timed out; the message quotes it.
        """
        try:
            done = subprocess.run(
                self.argv(*arguments), env=self.environ, input=stdin, capture_output=True, text=True,
                errors="replace", check=False, timeout=seconds,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClusterError(
                say("kubernetes.not_run", "kubectl: {error}", error=error),
                remedy=say("remedy.cluster_info", "check the cluster: `kubectl cluster-info`"),
            ) from error
        if done.returncode:
            raise ClusterError(
                say(
                    "kubernetes.failed",
                    "kubectl {command}: {told}",
                    command=arguments[0],
                    told=last_words(done.stderr, done.returncode),
                ),
                remedy=say("remedy.cluster_info", "check the cluster: `kubectl cluster-info`"),
            )
        return done.stdout

    def undo(self, *arguments: str, seconds: float) -> None:
        """Run a ``delete`` command and wait until the object is gone. What is gone already counts as success.

        Raises:
            ClusterError: as :meth:`run`.
        """
        try:
            self.run(*arguments, "--ignore-not-found", seconds=seconds)
        except ClusterError as error:
            # Between the look-up and the deletion somebody else may have removed it, or begun to.
            if "(Conflict)" in error.reason:
                verb, kind, name, *rest = arguments
                del verb
                options = [one for one in rest if not one.startswith("--grace-period")]
                self.undo(
                    "wait", kind, name, *options, "--for=delete", f"--timeout={seconds:.0f}s", seconds=seconds
                )
            elif "(NotFound)" not in error.reason:
                raise

    def ask(self, *arguments: str, seconds: float = ASK_SECONDS) -> Mapping[str, Any]:
        """Run kubectl and parse its output as JSON.

        Raises:
            ClusterError: see :meth:`run`; or the output is not JSON.
        """
        try:
            found: Mapping[str, Any] = json.loads(self.run(*arguments, "--output", "json", seconds=seconds))
        except (ValueError, RecursionError) as error:
            raise ClusterError(
                say(
                    "kubernetes.no_json",
                    "kubectl {command} did not answer in JSON: {error}",
                    command=arguments[0],
                    error=error,
                )
            ) from error
        return found
