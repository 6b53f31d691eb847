"""Builds Kubernetes' server programs from the distribution's source package, into the cache.

Debian has the clients only. Its own recipe (``make WHAT=…``) generates all code anew, wants rsync and jq, and builds
for a quarter of an hour; what is missing in the source is one generated file alone, so that is made, and then
``go build`` does the rest. The package's patches are for ``kubectl``, which is not built here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.runners.errors import Missing, TareError
from tare.runners.provision.aptroot import Packages, distribution, fetch, fetch_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.provision.cache import Entry
    from tare.runners.provision.tools import Provision

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
RECIPE = "2"
"""Changes with what is built, or how: entries of the cache that were built otherwise are then not used."""
GO = Packages(("golang-1.19-go",), only=r"golang-1\.19-(go|src)")
"""The newest Go that builds Kubernetes 1.20, and the one of Debian 12."""
NEEDED_BYTES = 5 << 30
MODULE = "k8s.io/kubernetes"
OPENAPI = "pkg/generated/openapi"
_NOT_FOR_OPENAPI = ("code-generator/", "sample-apiserver/", "kube-openapi/")


def servers(provision: Provision) -> Entry:
    """The folder of the programs; its facts have the ``version`` and what the build took.

    Raises:
        Missing: they are not in the cache, and cannot be built here.
        TareError: the build fails; the text has the compiler's words.
    """
    key = f"{distribution()} {GO.names} {PROGRAMS} {RECIPE}"
    found = provision.store.find("kubernetes", key) if provision.offline else None
    if found is not None:
        return found
    if provision.offline:
        raise Missing(
            "Kubernetes is not in the cache, and --offline forbids fetching.", "Run `nox -s kubernetes` once."
        )
    return provision.store.entry("kubernetes", key, lambda content: _build(provision, content))


def _build(provision: Provision, content: Path) -> Mapping[str, Any]:
    free = shutil.disk_usage(content).free
    if free < NEEDED_BYTES:
        raise TareError(
            f"Building Kubernetes takes {NEEDED_BYTES >> 30} GiB for a while, and {content} has {free >> 30} GiB free. "
            "Free some space, or set TARE_CACHE to a folder on a larger disk."
        )
    began = time.monotonic()
    go = fetch(GO, provision.store).path / "usr/lib/go-1.19"
    with tempfile.TemporaryDirectory(prefix="tare-kubernetes-", dir=content.parent) as temporary:
        version, archive = fetch_source("kubernetes", Path(temporary), provision.store)
        workshop = Workshop(go, Path(temporary))
        unpack_source(archive, workshop.source)
        provision.progress(f"building Kubernetes {version} from source, some ten minutes on two CPUs")
        workshop.generate()
        for name in PROGRAMS:
            provision.progress(f"building {name}")
            workshop.build(f"cmd/{name}", content / name, version)
        _unlock(Path(temporary))
    return {"version": version, "build_seconds": time.monotonic() - began, "go": GO.names[0]}


def unpack_source(archive: Path, to: Path) -> None:
    """Unpack an upstream archive without its top folder."""
    to.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, member.name = member.name.partition("/")
            if member.name:
                tar.extract(member, to, filter="tar")


@dataclass(frozen=True, slots=True)
class Workshop:
    """A Go compiler and a source tree where the compiler of before modules looks for it."""

    go: Path
    folder: Path

    @property
    def source(self) -> Path:
        """The source's top folder."""
        return self.folder / "path/src" / MODULE

    def generate(self) -> None:
        """Make the API's description, which the source lacks, as ``make gen_openapi`` does."""
        generator = self.folder / "openapi-gen"
        self.build("vendor/k8s.io/kube-openapi/cmd/openapi-gen", generator, "")
        self._run(
            *(str(generator), "-O", "zz_generated.openapi", "-p", f"{MODULE}/{OPENAPI}", "-r", os.devnull),
            *("-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"),
            *("-i", ",".join(f"{MODULE}/{package}" for package in described_packages(self.source))),
        )

    def build(self, package: str, program: Path, version: str) -> None:
        """Compile one program, static.

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
        done = subprocess.run(
            command, cwd=self.source, env=environ, capture_output=True, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise TareError(
                f"Building Kubernetes failed at `{Path(command[0]).name} … {command[-1][-80:]}`: {done.stderr[-2000:]}"
            )


def described_packages(source: Path) -> list[str]:
    """The packages whose types the API's description has, as import paths below the module's."""
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
    """What is staged is imported through ``vendor``, which has links to it."""
    text = str(folder)
    return f"vendor/{text.removeprefix('staging/src/')}" if text.startswith("staging/src/") else text


def _unlock(folder: Path) -> None:
    """Go's cache of sources is read-only, which keeps ordinary users from removing it."""
    for top, _, _ in os.walk(folder):
        if not os.access(top, os.W_OK):
            Path(top).chmod(0o755)
