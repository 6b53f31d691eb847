"""What is concluded from the micro guest's lines."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.guests.kvm import baseline

STEPS = ("open", "create_vm", "memory_slot", "create_vcpu", "first_exit", "exit_out")


def lines(*, user=4e-10, kernel=4e-10, host=4e-10, done=True):
    facts = [{"api_version": 12}, *({"step": step, "seconds": 1e-5} for step in STEPS)]
    for name, seconds in (("user", user), ("kernel", kernel), ("host", host)):
        if seconds is not None:
            facts.append({"step": f"{name}_arithmetic", "seconds": seconds})
    return [*facts, *([{"done": True}] if done else [])]


def decide(facts, **named):
    given: Any = {"nested": False, "architecture": "x86_64"} | named
    return baseline.decide(facts, **given)


def test_hardware_is_usable():
    found = decide(lines(kernel=4.1e-10))
    assert found.usable
    assert found.accelerated
    assert baseline.as_json(found)["exit_out_seconds"] == 1e-5


def test_emulated_kernel_mode_is_named_and_not_usable():
    found = decide(lines(kernel=2.3e-6))
    assert not found.usable
    assert found.accelerated, "user mode runs natively all the same"
    assert "emulates guest kernel mode" in found.reason
    assert "5,750× as long" in found.reason


@pytest.mark.parametrize(("ratio", "usable"), [(19.9, True), (20.1, False)])
def test_threshold_of_kernel_mode(ratio, usable):
    assert decide(lines(user=1e-9, host=1e-9, kernel=ratio * 1e-9)).usable is usable


@pytest.mark.parametrize(("ratio", "usable"), [(4.9, True), (5.1, False)])
def test_threshold_of_user_mode(ratio, usable):
    found = decide(lines(user=ratio * 1e-9, host=1e-9, kernel=ratio * 1e-9))
    assert found.usable is usable
    assert found.accelerated is usable


def test_host_that_refuses_executable_memory_is_judged_by_the_guest_alone():
    found = decide(lines(host=None))
    assert found.usable
    assert found.accelerated is None


@pytest.mark.parametrize("name", baseline.ERRNOS)
def test_every_errno_has_an_explanation_and_a_remedy(name):
    found = decide([{"failed": "open", "errno": name}])
    assert not found.usable
    assert found.present is (name != "ENOENT")
    assert name in found.reason
    assert found.remedy


def test_unknown_errno_is_told_as_it_is():
    found = decide([{"step": "open", "seconds": 1e-5}, {"failed": "KVM_SET_SREGS", "errno": "EXDEV"}])
    assert not found.usable
    assert "KVM_SET_SREGS: EXDEV" in found.reason


def test_permission_explains_group_and_udev():
    remedy = decide([{"failed": "open", "errno": "EACCES"}]).remedy
    assert "usermod -aG kvm" in remedy
    assert "udev" in remedy


def test_hang_names_the_last_step():
    found = decide(lines(user=None, kernel=None, host=None, done=False), ended="was killed")
    assert not found.usable
    assert "was killed after step exit_out" in found.reason


def test_first_instruction_that_ends_otherwise_is_not_usable():
    facts = [{"api_version": 12}, {"step": "first_exit", "exit": "exit 17 internal-error"}, {"done": True}]
    found = decide(facts)
    assert not found.usable
    assert "first_exit: exit 17 internal-error" in found.reason


def test_other_api_version():
    assert "version 11" in decide([{"api_version": 11}, {"done": True}]).reason


def test_other_architecture_is_not_measured():
    found = decide(
        [{"api_version": 12}, {"step": "create_vm", "seconds": 1e-4}, {"done": True}], architecture="aarch64"
    )
    assert found.usable
    assert "not measured on aarch64" in found.reason


def test_hypervisor_bit():
    assert baseline.is_nested("processor\t: 0\nflags\t\t: fpu hypervisor sse\n")
    assert not baseline.is_nested("model name\t: hypervisor\nflags\t\t: fpu sse\n")


facts = st.fixed_dictionaries(
    {},
    optional={
        "step": st.sampled_from(list(baseline.FIGURES)),
        "seconds": st.floats(0, 10),
        "errno": st.sampled_from(["EINVAL", "EIO"]),
        "api_version": st.integers(0, 20),
        "done": st.just(True),
    },
)


@given(st.lists(facts))
def test_any_lines_give_a_floor_with_a_reason(some):
    found = decide(some)
    assert found.reason
    json.dumps(baseline.as_json(found))


def test_child_that_hangs_is_killed_and_told(tmp_path, monkeypatch):
    child = tmp_path / "child.py"
    child.write_text("import time\nprint('{\"api_version\": 12}', flush=True)\ntime.sleep(60)\n")
    monkeypatch.setattr(baseline, "__file__", str(tmp_path / "baseline.py"))
    found = baseline.measure(timeout=0.3)
    assert not found.usable
    assert "still running after 0.3 s" in found.reason


def test_child_that_dies_or_cannot_start_is_told(tmp_path, monkeypatch):
    (tmp_path / "child.py").write_text("raise SystemExit(7)\n")
    monkeypatch.setattr(baseline, "__file__", str(tmp_path / "baseline.py"))
    assert "status 7" in baseline.measure().reason
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert "could not be started" in baseline.measure().reason


def test_how_often_a_figure_was_taken_and_between_what_it_lies_is_kept():
    facts = [
        {"step": "exit_out", "seconds": 2e-6, "n": 100, "low": 1e-6, "high": 3e-6},
        {"step": "open", "seconds": 1e-5},
    ]
    found = baseline.as_json(baseline.decide(facts, nested=False, architecture="x86_64"))
    assert found["samples"] == {"exit_out": {"n": 100, "low_seconds": 1e-6, "high_seconds": 3e-6}}
    assert found["exit_out_seconds"] == 2e-6
