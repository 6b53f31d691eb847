"""Pull images from registries by skopeo, pinned to the digest that the registry answers with."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import joined, say
from tare.runners.errors import Missing, SettingRefused, TareError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tare.runners.provision.tools import Provision

SCHEME = "docker://"
"""Beginning that says that what follows is a registry's name, as skopeo spells it."""

_HOST = r"localhost|\[[0-9a-fA-F:]+\]|[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:\d)"
_REFERENCE = re.compile(
    rf"(?:(?P<host>(?:{_HOST})(?::\d{{1,5}})?)/)?(?P<path>[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_OF_THIS_MACHINE = re.compile(r"(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?")
_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')

_ASK_SECONDS = 120.0
_PULL_SECONDS = 3600.0
_LAYOUT = "image"
"""Folder of the OCI layout in a cache entry."""


class RegistryName(msgspec.Struct, frozen=True):
    """Name of an image in a registry."""

    repository: str
    """Host and path: ``docker.io/library/redis``."""
    tag: str = ""
    """Empty: the digest alone says which."""
    digest: str = ""
    """Digest of its manifest or index. Empty: the one that the registry has under the tag."""

    def __str__(self) -> str:
        """Write the name, with tag and digest as far as they are known."""
        return (
            f"{self.repository}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"
        )

    @property
    def source(self) -> str:
        """Spell it for skopeo, which takes a tag or a digest, not both."""
        return f"{SCHEME}{self.repository}{f'@{self.digest}' if self.digest else f':{self.tag}'}"

    @property
    def is_local(self) -> bool:
        """Tell whether the registry is on this machine, where it need not have a certificate."""
        return bool(_OF_THIS_MACHINE.fullmatch(self.repository.partition("/")[0]))

    def pinned(self, digest: str) -> RegistryName:
        """Give the same name with a digest in it."""
        return RegistryName(self.repository, self.tag, digest)


class Pulled(msgspec.Struct, frozen=True):
    """An image that was pulled: an OCI layout in the cache, and the pinned name."""

    layout: Path
    name: RegistryName


def registry_name(text: str) -> RegistryName | None:
    """Read a registry's name: one that begins with its host, or any behind ``docker://``; ``None``: it is none.

    Raises:
        SettingRefused: what follows ``docker://`` is no name.
    """
    said = text.startswith(SCHEME)
    found = _REFERENCE.fullmatch(text.removeprefix(SCHEME))
    if found is None or not (said or found["host"]):
        if said:
            raise SettingRefused("--image", say(
                "image.bad_name", "{text} is not the name of an image; give one such as docker://docker.io/library/redis:7.",
                text=text,
            ))  # fmt: skip
        return None
    host, path = found["host"] or "docker.io", found["path"]
    if host == "docker.io" and "/" not in path:
        path = f"library/{path}"
    digest = found["digest"] or ""
    return RegistryName(f"{host}/{path}", found["tag"] or ("" if digest else "latest"), digest)


def names_a_registry(text: str) -> bool:
    """Tell whether a text is meant as a registry's name, be it right or wrong."""
    found = _REFERENCE.fullmatch(text)
    return text.startswith(SCHEME) or bool(found and found["host"])


def pull(name: RegistryName, provision: Provision, progress: Callable[[str], None]) -> Pulled:
    """Pull an image for this machine into the cache, unless it is there under its digest.

    The cache keeps it as an OCI layout. A name without a digest is asked for anew each time, and pulled by the digest that
    the registry has for it, which is that of an index where there is one.

    Raises:
        TareError: skopeo cannot be had, the registry does not have the image, or it may not be asked (``--offline``).
    """
    from tare.runners.provision import arch  # noqa: PLC0415 - names are read without it

    skopeo = _Skopeo(provision, name)
    pinned = name if name.digest else name.pinned(skopeo.digest())
    architecture = arch.current().debian

    def fill(folder: Path) -> Mapping[str, object]:
        progress(say("progress.pulling", "image: pulling {image}", image=pinned))
        skopeo.copy(pinned, folder, architecture)
        return {"source": pinned.source}

    key = f"{pinned.source} {architecture}"
    if provision.offline and provision.store.find("pulled", key) is None:
        raise TareError(_offline(name, say("image.not_cached", "it is not in the cache")))
    entry = provision.store.entry("pulled", key, fill)
    return Pulled(entry.path / _LAYOUT, pinned)


def _offline(name: RegistryName, why: str) -> str:
    return say(
        "image.offline",
        "image {name}: {why}, and --offline fetches nothing. Run once without --offline, and then name the image by the"
        " digest that the run records: {repository}@sha256:…",
        name=name, why=why, repository=name.repository,
    )  # fmt: skip


_SAVED = say(
    "remedy.save_image",
    "Or save the image to a file elsewhere (`skopeo copy`, `docker save`) and give that.",
)


class _Skopeo(msgspec.Struct, frozen=True):
    """Calls of skopeo for one image."""

    provision: Provision
    name: RegistryName

    def digest(self) -> str:
        """Ask the registry for the manifest or index, and hash it."""
        if self.provision.offline:
            raise TareError(
                _offline(self.name, say("image.tag", "only the registry knows what a tag stands for"))
            )
        raw = self._call(("inspect", "--raw", *self._verification(""), self.name.source), _ASK_SECONDS)
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"

    def copy(self, pinned: RegistryName, folder: Path, architecture: str) -> None:
        """Write the image of this machine into an OCI layout; skopeo checks all digests."""
        words = (
            *("--override-os", "linux", "--override-arch", architecture, "copy", "--quiet"),
            *(*self._verification("src-"), pinned.source, f"oci:{_LAYOUT}:latest"),
        )
        self._call(words, _PULL_SECONDS, folder)

    def _verification(self, side: str) -> tuple[str, ...]:
        return (f"--{side}tls-verify=false",) if self.name.is_local else ()

    def _call(self, words: Sequence[str], seconds: float, folder: Path | None = None) -> bytes:
        try:
            tool = self.provision.tool("skopeo")
        except Missing as error:
            raise TareError(say(
                "image.no_skopeo", "image {name}: images are pulled by skopeo: {why}",
                name=self.name, why=joined(str(error), _SAVED),
            )) from error  # fmt: skip
        # Without a policy skopeo refuses everything; a host that has one is obeyed.
        policy = () if any(map(os.path.isfile, _policies())) else ("--insecure-policy",)
        try:
            done = subprocess.run(
                tool.argv(*policy, *words),
                env={**os.environ, **tool.environ, **_without_others_logins()},
                cwd=folder or tempfile.gettempdir(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TareError(say(
                "image.registry_slow", "image {name}: the registry did not deliver within {seconds} minutes. Try again, or give a file.",
                name=self.name, seconds=f"{seconds / 60:.0f}",
            )) from None  # fmt: skip
        except OSError as error:
            raise TareError(say(
                "image.tool_not_run", "image {name}: {path} cannot be run: {strerror}.",
                name=self.name, path=tool.path, strerror=error.strerror,
            )) from error  # fmt: skip
        if done.returncode:
            raise TareError(say(
                "image.skopeo", "image {name}: skopeo cannot read it: {said} {remedy}",
                name=self.name, said=_said(done.stderr), remedy=_remedy(self.name),
            ))  # fmt: skip
        return done.stdout


_LOGINS = "/run/containers"
"""Folder in which skopeo looks for an account's logins where there is no ``XDG_RUNTIME_DIR``."""


_NO_LOGINS = "/nonexistent"
"""Folder without logins: it is absent on every system (hier(7) of Debian); skopeo goes on to those in the home."""


def _without_others_logins() -> dict[str, str]:
    """Lead skopeo past a folder of logins that root made for itself: what it may not look into ends it."""
    if os.environ.get("XDG_RUNTIME_DIR") or not Path(_LOGINS).is_dir() or os.access(_LOGINS, os.X_OK):
        return {}
    return {"XDG_RUNTIME_DIR": _NO_LOGINS}


def _policies() -> tuple[str, ...]:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - never raises
    return "/etc/containers/policy.json", f"{home}/containers/policy.json"


def _said(stderr: bytes) -> str:
    text = stderr.decode("utf-8", "replace").strip()
    found = _MESSAGE.findall(text)
    return (found[-1].replace('\\"', '"') if found else text[-500:]).rstrip(".") + "."


def _remedy(name: RegistryName) -> str:
    host = name.repository.partition("/")[0]
    return say(
        "remedy.image_name",
        "Check the name and the network; for a private image, log in first: `skopeo login {host}`.",
        host=host,
    )
