"""The attempts and the fingerprint in real places: what is known of each must come out."""

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.guests import busybox_image, guest_runner
from support.launched_places import EMPTY, run_context, settled_state
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.inside import PATH, SOURCE, attempts, fingerprint
from tare.runners.model import Limits
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=256 << 20, pids=64)
ROOT = os.getuid() == 0


def with_program(image):
    shutil.copy(build(SOURCE, default_cache()), image.tree / PATH.lstrip("/"))
    return image


def examined(context, image, runner):
    """Fingerprint and name → verdict."""
    with attempts.target(context, image) as given, runner.open() as place:
        inside = fingerprint.take(place, image)
        made = attempts.make(place, given, inside, attempts.host_facts())
    return inside, {attempt.name: attempt.verdict for attempt in made}


def examine(make):
    with run_context() as (context, image):
        runner = make(context)
        try:
            probe = runner.probe()
            if not probe.ok:
                pytest.skip(f"{runner.name}: {probe.reason}; {probe.remedy}")
            runner.prepare(with_program(image), LIMITS)
            found = examined(context, image, runner)
        finally:
            runner.close()
    assert settled_state(context.run) == EMPTY
    return found


@pytest.fixture(scope="module")
def bare():
    return examine(Bare)


@pytest.fixture(scope="module")
def container():
    return examine(Namespaces)


def host_condition():
    """What no attempt may change."""
    files = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/ctrl-alt-del")
    return [Path(file).read_text() for file in files] + [Path("/proc/self/mountinfo").read_text()]


def test_the_host_is_the_same_after_all_attempts_succeeded():
    before = host_condition()
    examine(Bare)
    assert host_condition() == before


def test_bare_metal_reaches_the_host(bare):
    _, verdicts = bare
    for name in ("write-host-file", "see-host-process", "signal-host-process"):
        assert verdicts[name] == "open", name
    privileged = {
        verdicts[name] for name in ("set-hostname", "configure-network", "raw-socket", "mount", "reboot")
    }
    assert privileged == ({"open"} if ROOT else {"blocked"})
    assert "confined" not in verdicts.values()


def test_the_full_container_reaches_nothing_of_the_hosts(container):
    _, verdicts = container
    assert [name for name, verdict in verdicts.items() if verdict == "open"] == []
    assert verdicts["see-host-process"] == verdicts["write-host-file"] == verdicts["load-module"] == "blocked"
    assert {name for name, verdict in verdicts.items() if verdict == "confined"} <= {
        "raw-socket",
        "packet-socket",
    }


@pytest.mark.skipif(not ROOT, reason="an ordinary user's rungs all have a user namespace")
def test_a_mount_namespace_alone_hides_files_and_leaves_the_rest_open():
    _, verdicts = examine(lambda context: Namespaces(context, name="namespaces:+mount"))
    assert verdicts["write-host-file"] == "blocked"
    assert verdicts["see-host-process"] == verdicts["set-hostname"] == "open"
    assert verdicts["mount"] == "confined"


@pytest.mark.skipif(not ROOT, reason="an ordinary user's containers all have a user namespace")
def test_roots_user_namespace_does_not_open_the_hosts_settings():
    _, verdicts = examine(lambda context: Namespaces(context, name="namespaces:+user"))
    assert [name for name, verdict in verdicts.items() if verdict == "open"] == []
    assert verdicts["write-sysctl"] == verdicts["write-sysfs"] == "blocked"


@pytest.mark.skipif(not ROOT, reason="an ordinary user has no privileges to leave to a container")
def test_a_privileged_container_reaches_the_kernel_but_not_what_its_namespaces_hide():
    facts, verdicts = examine(lambda context: Namespaces(context, name="namespaces:privileged"))
    assert verdicts["set-time"] == verdicts["write-sysctl"] == verdicts["write-sysfs"] == "open"
    assert verdicts["set-hostname"] == verdicts["mount"] == verdicts["configure-network"] == "confined"
    assert verdicts["see-host-process"] == verdicts["write-host-file"] == "blocked"
    assert facts["security.seccomp"] == "off"


def test_bare_metals_fingerprint_is_the_hosts(bare):
    facts, _ = bare
    assert facts["kernel.boot_id"] == attempts.host_facts()["kernel.boot_id"]
    assert facts["user.uid"] == os.getuid()
    assert facts["cpu.seen"] == len(os.sched_getaffinity(0))
    for kind in fingerprint.NAMESPACES:
        assert facts[f"namespace.{kind}"] == str(Path(f"/proc/self/ns/{kind}").readlink())


def test_the_containers_fingerprint_shows_the_hosts_kernel_and_its_own_rest(container, bare):
    facts, _ = container
    assert facts["kernel.clock"] == bare[0]["kernel.clock"] == "the host's"
    assert attempts.same_kernel({**facts, "kernel.boot_id": "invented"}, attempts.host_facts())
    for name in ("kernel.boot_id", "kernel.release", "cpu.model", "memory.seen_bytes"):
        assert facts[name] == bare[0][name], name
    assert facts["hostname"] == "tare"
    assert facts["security.seccomp"] == "filter"
    assert facts["security.no_new_privileges"] == "yes"
    assert facts["mounts.root"] == "overlay"
    for kind in ("mnt", "pid", "uts", "ipc", "net", "cgroup"):
        assert facts[f"namespace.{kind}"] != bare[0][f"namespace.{kind}"]
    assert ("namespace.user" in facts and facts["namespace.user"] != bare[0]["namespace.user"]) is not ROOT


def test_a_guest_reaches_its_own_kernel_only(tmp_path):
    image = busybox_image(**{PATH: build(SOURCE, default_cache())})
    context = SimpleNamespace(workdir=tmp_path, run="of-a-guest")
    with guest_runner("microvm", LIMITS, image=image) as runner:
        facts, verdicts = examined(context, image, runner)
    assert facts["kernel.boot_id"] != attempts.host_facts()["kernel.boot_id"]
    assert facts["kernel.clock"] == "its own"
    assert not attempts.same_kernel(facts, attempts.host_facts())
    assert "open" not in verdicts.values()
    assert verdicts["set-hostname"] == verdicts["set-time"] == "confined"


def test_a_library_deep_in_the_tree_has_its_item(tmp_path):
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name" * 4] * 20)
    folder.mkdir(parents=True)
    library = folder / "libc.so.6"
    library.write_bytes(b"\0GNU C Library (made up) stable release version 9.99.\n\0".ljust(4096, b"\0"))
    program = build(SOURCE, default_cache())
    done = subprocess.run([program, "fingerprint", library], capture_output=True, check=True, timeout=30)
    found = fingerprint.items(done.stdout)
    assert found[f"libc:{library}"] == "GNU C Library (made up) stable release version 9.99."
