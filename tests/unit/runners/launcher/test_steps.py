"""Steps describe and encode themselves; rungs compose."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from support.launcher_program import instructions
from tare.runners.containers.namespaces.ladder import ladder_rung, rungs
from tare.runners.containers.namespaces.network import join
from tare.runners.containers.namespaces.rung_steps import (
    CHROOT,
    Layout,
    container_rungs,
    container_steps,
    inner_steps,
    with_scratch,
)
from tare.runners.launcher.steps.base import count_instructions, encode_text
from tare.runners.launcher.steps.mounts import Mount, MoveRoot, PivotRoot, escape
from tare.runners.launcher.steps.namespaces import CLONE_FLAGS, MapUser, NewNamespace, into_network
from tare.runners.launcher.steps.process import KeepCapabilities, NoNewPrivileges, Seccomp

ALL = ("mount", "overlayfs", "pid", "uts+ipc", "user", "net", "cgroup", "caps", "seccomp")

LAYOUT = Layout(
    base=Path("/base"),
    tree=Path("/tree"),
    bound=("usr",),
    staging=Path("/stage"),
    scratch=Path("/places/a/scratch"),
    upper_bytes=1 << 20,
    hostname="tare",
    owner=(1000, 1001),
    read_only=("sys",),
)


def test_a_mount_says_and_encodes_what_it_does():
    step = Mount("/x", "overlay", "overlay", 1, "lowerdir=/a:/b")
    assert step.describe() == "mount overlay on /x (ro,lowerdir=/a:/b)"
    ((opcode, index, numbers, texts),) = instructions(step.encode(7))
    assert (opcode, index, numbers[0]) == (1, 7, 1)
    assert texts == [b"overlay\0", b"/x\0", b"overlay\0", b"lowerdir=/a:/b\0"]


def test_a_text_with_nul_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        encode_text("a\0b")


def test_steps_with_several_instructions_keep_their_index():
    for step in (PivotRoot("/r"), MoveRoot("/r"), MapUser(1, 2)):
        body = step.encode(3)
        parts = list(instructions(body))
        assert len(parts) == count_instructions(body) > 1
        assert {part[1] for part in parts} == {3}


def test_capabilities_are_a_mask():
    ((_, _, numbers, _),) = instructions(KeepCapabilities(frozenset({0, 40})).encode(0))
    assert numbers[0] == 1 | 1 << 40


def test_the_full_container_has_every_rung_in_a_workable_order():
    steps = container_steps(LAYOUT, ALL)
    flags = 0
    for step in steps:
        flags |= step.clone_flags
    assert flags == sum(CLONE_FLAGS.values())
    kinds = [type(step) for step in steps]
    assert kinds.index(MapUser) < kinds.index(Mount) < kinds.index(PivotRoot) < kinds.index(KeepCapabilities)
    assert kinds.count(NoNewPrivileges) == 1
    assert kinds.index(NoNewPrivileges) < kinds.index(Seccomp) == len(kinds) - 1


@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("rung", rungs())
def test_places_of_a_runner_differ_in_their_scratch_folder_alone(rung, inner):
    parts = ladder_rung(f"namespaces:{rung}", root=inner).parts
    prepared = replace(LAYOUT, scratch=Path("/places"), inner=inner)
    own = Path("/places/namespaces-7/scratch")
    made = with_scratch(container_steps(prepared, parts), prepared.scratch, own)
    assert made == container_steps(replace(prepared, scratch=own), parts)


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("rung", rungs())
def test_each_rung_has_the_namespaces_of_its_parts(rung, root):
    parts = ladder_rung(f"namespaces:{rung}", root=root).parts
    assert {rung.name for rung in container_rungs(LAYOUT, parts)} == set(parts) - {"overlayfs"}
    made = {step.kind for step in container_steps(LAYOUT, parts) if isinstance(step, NewNamespace)}
    chroots = {"mount"} if "chroot" in parts else set()
    assert made == chroots | {"mount", "pid", "uts", "ipc", "user", "net", "cgroup"} & {
        kind for part in parts for kind in part.split("+")
    }


def test_a_chroot_beside_a_prepared_root_is_one_step():
    layout = replace(LAYOUT, inner=True)
    assert [step.describe() for step in container_steps(layout, ("chroot",))] == [f"chroot to {CHROOT}"]
    prepared = [step.describe() for step in inner_steps({}, Path("/s"), layout, proc=True)]
    assert f"mount bind /tree/usr on {CHROOT}/usr" in prepared
    assert f"mount ro,remount,bind on {CHROOT}" in prepared


def test_a_users_container_with_a_network_is_born_in_the_user_namespace_that_the_network_belongs_to():
    alone = container_steps(LAYOUT, ALL)
    joined = container_steps(replace(LAYOUT, join=join("bridge", 0)), ALL)
    gone = [NewNamespace("user"), MapUser(*LAYOUT.owner), NewNamespace("net")]
    assert [step for step in alone if step not in joined] == gone
    assert [step for step in joined if step not in alone] == [join("bridge", 0)]
    assert any("userxattr" in step.describe() for step in joined), "what takes real root stays out"


@pytest.mark.parametrize("uid", [0, 1000])
def test_an_ordinary_user_enters_a_network_by_the_user_namespace_beside_it(monkeypatch, uid):
    monkeypatch.setattr("os.getuid", lambda: uid)
    user = ["enter the user namespace /proc/7/ns/user"] if uid else []
    net = ["enter the net namespace /proc/7/ns/net"]
    assert [step.describe() for step in into_network("/proc/7/ns/net")] == user + net
    assert into_network("") == ()


def test_every_step_can_be_described_and_encoded():
    for index, step in enumerate(
        (*container_steps(LAYOUT, ALL), *inner_steps({"a": Path("/a")}, Path("/s")))
    ):
        assert step.describe()
        assert isinstance(step.encode(index), bytes)


def test_overlay_options_survive_odd_paths():
    assert escape(Path("/a:b,c\\d")) == "/a\\:b\\,c\\\\d"


def test_real_roots_proc_is_partly_read_only_and_a_users_need_not_be():
    root = [step.describe() for step in container_steps(LAYOUT, set(ALL) - {"user"})]
    user = [step.describe() for step in container_steps(LAYOUT, ALL)]
    assert any("/proc/sys" in line and "ro" in line for line in root)
    assert not any("/proc/sys" in line for line in user)
    assert any("userxattr" in line for line in user)
    assert any("bind /dev/null" in line for line in user)
