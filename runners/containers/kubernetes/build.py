"""Build Kubernetes' server programs from the distribution's source package into the cache.

Debian packages only the clients. The source's own recipe (``make WHAT=…``) regenerates all code, needs rsync and jq,
and takes a quarter of an hour. Only one generated file is missing in the source, so that file is generated here and
``go build`` does the rest. The package's patches concern ``kubectl``, which is not built.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.runners.errors import Missing, TareError
from tare.runners.host.programs import run_quietly
from tare.runners.provision.aptroot import Packages, distribution, fetch, fetch_source
from tare.runners.provision.unpack import unpack_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.provision.cache import Entry
    from tare.runners.provision.tools import Provision

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
RECIPE = "2"
"""Version of the recipe; raise it when something is built differently, so that old cache entries are not used."""
GO = Packages(("golang-1.19-go",), only=r"golang-1\.19-(go|src)")
"""Go of Debian 12, the newest that builds Kubernetes 1.20."""
NEEDED_BYTES = 5 << 30
"""Disk space that the build takes."""
MODULE = "k8s.io/kubernetes"
OPENAPI = "pkg/generated/openapi"
_NOT_FOR_OPENAPI = ("code-generator/", "sample-apiserver/", "kube-openapi/")


def servers(provision: Provision) -> Entry:
    """Find the programs in the cache, or build them.

    Returns:
        The folder of the programs, with their ``version`` and ``build_seconds`` among its facts.

    Raises:
        Missing: they are not in the cache, and cannot be built here.
        TareError: the build failed; the message quotes the compiler.
    """
    key = f"{distribution()} {GO.names} {PROGRAMS} {RECIPE}"
    found = provision.store.find("kubernetes", key) if provision.offline else None
    if found is not None:
        return found
    if provision.offline:
        raise Missing(
            say(
                "container.kubernetes_not_cached",
                "Kubernetes is not in the cache, and --offline forbids fetching.",
            ),
            say("remedy.nox_kubernetes", "Run `nox -s kubernetes` once."),
        )
    return provision.store.entry("kubernetes", key, lambda content: _build(provision, content))


def _build(provision: Provision, content: Path) -> Mapping[str, Any]:
    free = shutil.disk_usage(content).free
    if free < NEEDED_BYTES:
        raise TareError(
            say(
                "kubernetes.build_space",
                "Building Kubernetes needs {needed_bytes} GiB for a while, and {content} has {free} GiB free. "
                "Free some space, or set TARE_CACHE to a folder on a larger disk.",
                needed_bytes=NEEDED_BYTES >> 30,
                content=content,
                free=free >> 30,
            )
        )
    began = time.monotonic()
    go = fetch(GO, provision.store).path / "usr/lib/go-1.19"
    with tempfile.TemporaryDirectory(prefix="tare-kubernetes-", dir=content.parent) as temporary:
        version, archive = fetch_source("kubernetes", Path(temporary), provision.store)
        workshop = Workshop(go, Path(temporary))
        unpack_source(archive, workshop.source)
        provision.progress(say(
        "progress.kubernetes", "building Kubernetes {version} from source, about ten minutes on two CPUs", version=version
    ))  # fmt: skip
        workshop.generate()
        for name in PROGRAMS:
            provision.progress(say("progress.building", "building {name}", name=name))
            workshop.build(f"cmd/{name}", content / name, version)
        _unlock(Path(temporary))
    return {"version": version, "build_seconds": time.monotonic() - began, "go": GO.names[0]}


@dataclass(frozen=True, slots=True)
class Workshop:
    """A Go compiler, and a source tree laid out for builds without modules (``GOPATH``)."""

    go: Path
    """Root of Go."""
    folder: Path
    """Folder of the source, objects and programs."""

    @property
    def source(self) -> Path:
        """Top folder of the Kubernetes source."""
        return self.folder / "path/src" / MODULE

    def generate(self) -> None:
        """Generate the description of the API, which the source lacks, as ``make gen_openapi`` does."""
        generator = self.folder / "openapi-gen"
        self.build("vendor/k8s.io/kube-openapi/cmd/openapi-gen", generator, "")
        self._run(
            *(str(generator), "-O", "zz_generated.openapi", "-p", f"{MODULE}/{OPENAPI}", "-r", os.devnull),
            *("-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"),
            *("-i", ",".join(f"{MODULE}/{package}" for package in described_packages(self.source))),
        )

    def build(self, package: str, program: Path, version: str) -> None:
        """Compile one program, statically linked.

        Args:
            package: import path below the module's.
            program: file to write.
            version: of the source package; empty: compile none into it.

        Raises:
            TareError: it cannot be compiled.
        """
        key = "k8s.io/component-base/version.gitVersion"
        flags = (
            f"-s -w -X {key}=v{version.split('-', maxsplit=1)[0].rpartition('really')[2]}"
            if version
            else "-s -w"
        )
        self._run(
            str(self.go / "bin/go"), "build", "-ldflags", flags, "-o", str(program), f"{MODULE}/{package}"
        )

    def _run(self, *command: str) -> None:
        environ = {
            "PATH": f"{self.go / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.folder),
            "GOROOT": str(self.go),
            "GOPATH": str(self.folder / "path"),
            "GOCACHE": str(self.folder / "objects"),
            "GO111MODULE": "off",
            "CGO_ENABLED": "0",
            "GOFLAGS": "",
        }
        done = run_quietly(command, env=environ, cwd=self.source)
        if done.returncode:
            raise TareError(
                say(
                    "kubernetes.build_failed",
                    "Building Kubernetes failed at `{name} … {command}`: {stderr}",
                    name=Path(command[0]).name,
                    command=command[-1][-80:],
                    stderr=done.stderr[-2000:],
                )
            )


def described_packages(source: Path) -> list[str]:
    """List the packages whose types are in the description of the API, as import paths below the module's."""
    return sorted({_import_path(file.parent.relative_to(source)) for file in _tagged(source)})


def _tagged(source: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(source):
        if Path(top) == source:
            folders[:] = [each for each in folders if each not in {"test", "hack", "_output", ".git"}]
        for name in names:
            path = Path(top, name)
            if not name.endswith(".go") or name.endswith("_test.go"):
                continue
            if any(part in f"{path.relative_to(source)}" for part in _NOT_FOR_OPENAPI):
                continue
            if b"+k8s:openapi-gen=" in path.read_bytes():
                yield path


def _import_path(folder: Path) -> str:
    """Convert a folder to an import path: staged packages are imported through links in ``vendor``."""
    text = str(folder)
    return f"vendor/{text.removeprefix('staging/src/')}" if text.startswith("staging/src/") else text


def _unlock(folder: Path) -> None:
    """Make Go's read-only cache of sources removable for ordinary users."""
    for top, _, _ in os.walk(folder):
        if not os.access(top, os.W_OK):
            Path(top).chmod(0o755)
