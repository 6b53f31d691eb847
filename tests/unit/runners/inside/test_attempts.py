"""What tare-inside answers, and what is made of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import GOLDEN
from tare.results.details import Attempt
from tare.runners.errors import TareError
from tare.runners.inside import attempts, fingerprint
from tare.runners.inside.fingerprint import Facts

FOLDER = GOLDEN / "inside"
OUTSIDE: Facts = {
    "kernel.boot_id": "one",
    "kernel.version": "#1",
    **{f"namespace.{kind}": f"{kind}:[1]" for kind in ("user", "mnt", "pid", "uts", "net")},
}
CONTAINED: Facts = {
    **OUTSIDE,
    **{f"namespace.{kind}": f"{kind}:[2]" for kind in ("mnt", "pid", "uts", "net")},
}
GUEST = {**OUTSIDE, "kernel.boot_id": "another"}


def answers(**changed):
    words = dict.fromkeys(attempts.SCOPES, "refused\tEPERM") | changed
    return "".join(f"{name}\t{outcome}\ttried it\n" for name, outcome in words.items())


def verdicts(inside, outcome="done\t"):
    made = attempts.judged(answers(**dict.fromkeys(attempts.SCOPES, outcome)), inside, OUTSIDE)
    return {attempt.name: attempt.verdict for attempt in made}


def test_where_nothing_is_in_the_way_everything_is_open():
    assert set(verdicts(OUTSIDE).values()) == {"open"}


def test_what_reaches_the_places_own_things_only_is_confined():
    found = verdicts(CONTAINED)
    own = {name for name, verdict in found.items() if verdict == "confined"}
    assert own == {"reboot", "set-hostname", "configure-network", "raw-socket", "packet-socket", "mount"}
    assert {found[name] for name in found.keys() - own} == {"open"}


def test_a_guest_reaches_its_own_kernel_but_a_file_of_the_hosts_is_the_hosts():
    found = verdicts(GUEST)
    assert found["load-module"] == found["set-time"] == found["mount"] == "confined"
    assert found["write-host-file"] == "open"


def test_in_a_user_namespace_release_agent_may_be_opened_but_not_written():
    assert verdicts({**OUTSIDE, "namespace.user": "user:[9]"})["cgroup-release-agent"] == "blocked"


def test_a_place_that_hides_its_namespaces_is_taken_at_its_worst():
    inside: Facts = {"kernel.boot_id": "one"}
    assert set(verdicts(inside).values()) == {"open"}


def test_without_a_boot_id_the_kernels_version_tells_whose_it_is():
    assert attempts.same_kernel({"kernel.version": "#1"}, OUTSIDE)
    assert not attempts.same_kernel({"kernel.version": "#7 gVisor"}, OUTSIDE)


@pytest.mark.parametrize(
    ("version", "clock", "same"),
    [
        ("#1", "the host's", True),
        ("#1", "its own", False),
        ("#7 gVisor", "the host's", False),
        ("#7", "its own", False),
    ],
)
def test_a_boot_id_of_its_own_does_not_make_a_container_a_guest(version, clock, same):
    inside: Facts = {"kernel.boot_id": "invented", "kernel.version": version, "kernel.clock": clock}
    assert attempts.same_kernel(inside, OUTSIDE) is same


def test_refused_and_absent_stay_what_they_are():
    assert set(verdicts(GUEST, "refused\tEPERM").values()) == {"blocked"}
    assert set(verdicts(GUEST, "absent\t").values()) == {"absent"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no answer to the attempts"),
        (answers() + "surprise\tdone\t\tx\n", "surprise"),
        (answers(mount="perhaps\t"), "perhaps"),
        (answers().replace("mount\trefused\tEPERM\ttried it\n", ""), "no answer to the attempts mount"),
        (answers().replace("tried it", "a\tb", 1), "not the answer"),
    ],
)
def test_answers_that_are_not_understood_are_an_error(text, complaint):
    with pytest.raises(TareError, match=complaint):
        attempts.judged(text, OUTSIDE, OUTSIDE)


@given(st.text())
def test_any_text_is_judged_or_refused(text):
    with pytest.raises(TareError):
        attempts.judged(text, OUTSIDE, OUTSIDE)


def test_the_full_containers_answers_are_judged_as_they_always_were():
    text = (FOLDER / "attempts-namespaces.tsv").read_text()
    made = attempts.judged(text, CONTAINED, OUTSIDE)
    lines = [f"{attempt.name} {attempt.verdict} {attempt.error}".strip() for attempt in made]
    assert lines == (FOLDER / "attempts-namespaces.verdicts").read_text().splitlines()


def test_the_hosts_file_is_believed_more_than_the_place():
    open_one = Attempt(name="write-host-file", verdict="open", error="", tried="")
    attempts._verify((open_one,), "d")
    for letters in ("", "p", "dp", "dd-"):
        with pytest.raises(TareError, match="shows"):
            attempts._verify((open_one,), letters)


def test_a_hierarchy_with_controllers_is_found_and_a_named_or_unified_one_is_not():
    named = "30 24 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    memory = "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    unified = "32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    assert attempts.hierarchy(named + unified) == ""
    assert attempts.hierarchy(named + unified + memory) == "cpu,cpuacct"


def test_what_is_not_there_is_not_handed_to_the_place():
    words = attempts.Target(Path("/m"), "n", disk="", hierarchy="").arguments("/scratch")
    assert words == ("marker=/m", "nonce=n", "folder=/scratch")


# -- fingerprint


def golden_items():
    return fingerprint.items((FOLDER / "fingerprint.txt").read_bytes())


def test_facts_come_out_as_they_always_did():
    facts = fingerprint.facts(
        golden_items(), image_root="/", image_libraries=["/opt/tare/lib/libc.so.6", "/not/there/libc.so.6"]
    )
    assert facts == json.loads((FOLDER / "fingerprint.json").read_text())


def test_what_a_place_does_not_show_is_no_fact():
    assert fingerprint.facts({}) == {"libc.image": "none", "libc.system": "none"}


@pytest.mark.parametrize("output", [b"garbage", b"name 5\nabc", b"name 3\nabcX", b"name -1\n\n"])
def test_a_cut_or_strange_fingerprint_is_an_error(output):
    with pytest.raises(TareError, match="fingerprint"):
        fingerprint.items(output)


@given(st.binary(max_size=200))
def test_any_output_is_items_or_refused(output):
    try:
        found = fingerprint.items(output)
    except TareError:
        return
    fingerprint.facts(found)


@given(st.dictionaries(st.from_regex(r"[a-z/:.]{1,20}", fullmatch=True), st.text(max_size=50), max_size=5))
def test_items_are_read_as_they_were_written(wanted):
    output = b""
    for name, text in wanted.items():
        content = text.encode("utf-8", "surrogatepass")
        output += f"{name} {len(content)}\n".encode() + content + b"\n"
    assert fingerprint.items(output).keys() == wanted.keys()


def test_capabilities_are_named():
    assert fingerprint.names_of(0) == "none"
    assert fingerprint.names_of(1 << 21 | 1) == "chown, sys_admin"
    assert fingerprint.names_of((1 << 41) - 1) == "all"
