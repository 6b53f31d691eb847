"""Registries' names are told from paths, and images are pulled by skopeo under the digest that the registry has."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.image_making import layout, tar
from tare.runners.errors import Missing, SettingRefused, TareError
from tare.runners.images import registry
from tare.runners.images.external import read_external
from tare.runners.images.registry import names_a_registry, pull, registry_name
from tare.runners.provision.cache import Cache

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "full", "source"),
    [
        ("docker.io/redis", "docker.io/library/redis:latest", "docker://docker.io/library/redis:latest"),
        ("docker://redis:7", "docker.io/library/redis:7", "docker://docker.io/library/redis:7"),
        ("docker://me/app", "docker.io/me/app:latest", "docker://docker.io/me/app:latest"),
        ("ghcr.io/a/b-c_d:v1.0", "ghcr.io/a/b-c_d:v1.0", "docker://ghcr.io/a/b-c_d:v1.0"),
        ("localhost:5000/x:1", "localhost:5000/x:1", "docker://localhost:5000/x:1"),
        ("node:5000/x", "node:5000/x:latest", "docker://node:5000/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "docker://[::1]:5000/x:latest"),
        (f"quay.io/x@{DIGEST}", f"quay.io/x@{DIGEST}", f"docker://quay.io/x@{DIGEST}"),
        (f"quay.io/x:1@{DIGEST}", f"quay.io/x:1@{DIGEST}", f"docker://quay.io/x@{DIGEST}"),
    ],
)
def test_a_name_is_completed_and_spelled_for_skopeo(text, full, source):
    name = registry_name(text)
    assert (str(name), name.source) == (full, source)
    assert registry_name(str(name)) == name
    assert names_a_registry(text)


@pytest.mark.parametrize(
    "text",
    [
        "redis",
        "redis:7",
        "image.tar",
        "images/redis.tar:name",
        "./a.b/c",
        "/a.b/c",
        "../x",
        "a.b/C",
        "",
        "a.b/x@sha256:1",
    ],
)
def test_what_may_be_a_path_is_no_name(text):
    assert registry_name(text) is None


@pytest.mark.parametrize(
    "text", ["docker://", "docker://A", "docker://a b", "docker://-x", "docker://a@sha256:1"]
)
def test_a_wrong_name_behind_the_scheme_is_refused(text):
    with pytest.raises(SettingRefused, match="not the name of an image; give one such as"):
        registry_name(text)


def test_a_path_that_is_not_there_is_answered_with_how_to_name_a_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingRefused, match=r"no such file or folder.*docker://redis:7"):
        read_external("redis:7")


class StandIn:
    """Skopeo and its registry: a tag's manifest, and a layout to copy."""

    def __init__(self, cache, *, offline=False, raw=b"{}", failure=b""):
        self.offline, self.raw, self.failure = offline, raw, failure
        self.store = Cache(cache)
        self.calls = []

    def tool(self, name):
        assert name == "skopeo"
        return SimpleNamespace(argv=lambda *words: ("skopeo", *words), environ={"EXTRA": "1"}, path="skopeo")

    def run(self, argv, *, cwd, env, **_how):
        assert env["EXTRA"] == "1"
        words = [word for word in argv if word != "--insecure-policy"]
        self.calls.append(words[1:])
        if self.failure:
            return subprocess.CompletedProcess(argv, 1, b"", self.failure)
        if "copy" in words:
            layout(Path(cwd) / words[-1].split(":")[1], [tar(("a", b"x"))])
        return subprocess.CompletedProcess(argv, 0, self.raw, b"")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    def make(**how):
        made = StandIn(tmp_path, **how)
        monkeypatch.setattr(subprocess, "run", made.run)
        return made

    return make


def quiet(_line):
    pass


def test_a_tag_is_pinned_to_the_digest_that_the_registry_has_and_pulled_by_it(stand_in):
    skopeo = stand_in(raw=b'{"manifests":[]}')
    digest = f"sha256:{hashlib.sha256(skopeo.raw).hexdigest()}"
    told = []
    found = pull(registry_name("ghcr.io/a/b:1"), skopeo, told.append)
    assert str(found.name) == f"ghcr.io/a/b:1@{digest}"
    assert read_external(str(found.layout)).layers
    ask, copy = skopeo.calls
    assert ask == ["inspect", "--raw", "docker://ghcr.io/a/b:1"]
    assert copy[-2:] == [f"docker://ghcr.io/a/b@{digest}", "oci:image:latest"]
    assert told == [f"image: pulling ghcr.io/a/b:1@{digest}"]
    # A second pull asks again what the tag stands for, and copies nothing.
    assert pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet) == found
    assert skopeo.calls[2:] == [ask]
    skopeo.raw = b"{ }"
    assert pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet).name != found.name


def test_a_pinned_image_in_the_cache_needs_no_network(stand_in):
    name = registry_name(f"quay.io/x@{DIGEST}")
    skopeo = stand_in()
    pull(name, skopeo, quiet)
    offline = stand_in(offline=True)
    assert pull(name, offline, quiet).name == name
    assert offline.calls == []


@pytest.mark.parametrize(
    ("text", "why"), [("quay.io/x:1", "what a tag stands for"), (f"quay.io/x@{DIGEST}", "not in the cache")]
)
def test_offline_fetches_nothing_and_says_how_to_go_on(stand_in, text, why):
    skopeo = stand_in(offline=True)
    with pytest.raises(TareError, match=rf"{why}.*name the image by the digest"):
        pull(registry_name(text), skopeo, quiet)
    assert skopeo.calls == []


@pytest.mark.parametrize(
    ("host", "checked"),
    [("localhost:5000", False), ("127.0.0.1:1", False), ("[::1]:1", False), ("127.evil.io", True)],
)
def test_only_a_registry_of_this_machine_may_lack_a_certificate(stand_in, host, checked):
    skopeo = stand_in()
    pull(registry_name(f"{host}/x"), skopeo, quiet)
    said = [any("tls-verify=false" in word for word in words) for words in skopeo.calls]
    assert said == [not checked] * 2


def test_what_skopeo_says_is_passed_on_with_a_remedy(stand_in):
    stderr = b'time="x" level=fatal msg="Error parsing image name \\"docker://a\\": unauthorized"\n'
    skopeo = stand_in(failure=stderr)
    with pytest.raises(TareError) as caught:
        pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet)
    assert str(caught.value) == (
        'image ghcr.io/a/b:1: skopeo cannot read it: Error parsing image name "docker://a": unauthorized. Check the name and'
        " the network; for a private image, log in first: `skopeo login ghcr.io`."
    )


def test_a_registry_that_hangs_ends_in_a_sentence(stand_in, monkeypatch):
    skopeo = stand_in()

    def hang(argv, *, timeout, **_how):
        raise subprocess.TimeoutExpired(argv, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(TareError, match="did not deliver within 2 minutes"):
        pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet)


def test_without_skopeo_there_is_a_remedy(stand_in, monkeypatch):
    skopeo = stand_in()

    def none(_name):
        raise Missing("skopeo is not here.", "Install it: `apt-get install skopeo`.")

    monkeypatch.setattr(skopeo, "tool", none)
    with pytest.raises(
        TareError, match=r"pulled by skopeo: .*apt-get install skopeo.*Or save the image to a file"
    ):
        pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet)


def test_a_policy_of_the_host_is_obeyed(stand_in, monkeypatch, tmp_path):
    seen = []
    skopeo = stand_in()
    run = skopeo.run
    monkeypatch.setattr(subprocess, "run", lambda argv, **how: seen.append(argv[1]) or run(argv, **how))
    monkeypatch.setattr(registry, "_policies", lambda: (str(tmp_path / "policy.json"),))
    pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet)
    assert seen == ["--insecure-policy"] * 2
    (tmp_path / "policy.json").write_text(json.dumps({}))
    pull(registry_name("ghcr.io/a/b:1"), skopeo, quiet)
    assert seen[2:] == ["inspect"]


@pytest.mark.parametrize(
    ("mode", "runtime", "led"), [(0o000, "", True), (0o755, "", False), (0o000, "/run/user/1", False)]
)
def test_a_folder_of_logins_that_may_not_be_looked_into_is_passed_by(
    tmp_path, monkeypatch, mode, runtime, led
):
    logins = tmp_path / "containers"
    logins.mkdir()
    monkeypatch.setattr(registry, "_LOGINS", str(logins))
    monkeypatch.setattr(os, "access", lambda _path, _how: bool(mode))
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    assert registry._without_others_logins() == ({"XDG_RUNTIME_DIR": "/nonexistent"} if led else {})
