"""Owner files: what is written is read again, and what is no owner file is refused."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tare.runners.host.owners import RUN_ID, Owner, load_live, store_owner
from tare.runners.host.processes import boot_id, start_ticks


def ours(**changes):
    owner = Owner("one", os.getpid(), start_ticks(os.getpid()), boot_id(), "/var/tmp/tare-one")
    return replace(owner, **changes)


def test_round_trip(tmp_path):
    owner = ours(cgroups=("/sys/fs/cgroup/tare-one",), engines=("/run/docker.sock", "cri:/run/c.sock"))
    store_owner(tmp_path / "one.json", owner)
    assert load_live(tmp_path / "one.json") == owner
    assert list(tmp_path.iterdir()) == [tmp_path / "one.json"]


def test_only_the_very_process_is_alive():
    assert ours().alive()
    assert not ours(start_ticks=start_ticks(os.getpid()) + 1).alive()
    assert not ours(boot="another").alive()
    assert not ours(pid=1 << 30, start_ticks=0).alive()


@pytest.mark.parametrize(
    "changes",
    [{"run": "../x"}, {"run": ""}, {"pid": "1"}, {"workdir": "tare-one"}, {"surplus": 1}, {"cgroups": 5}],
)
def test_invalid_files_name_no_owner(tmp_path, changes):
    store_owner(tmp_path / "one.json", ours())
    facts = json.loads((tmp_path / "one.json").read_text())
    (tmp_path / "one.json").write_text(json.dumps(facts | changes))
    assert load_live(tmp_path / "one.json") is None


def test_a_missing_file_names_no_owner(tmp_path):
    assert load_live(tmp_path / "one.json") is None


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_bytes_name_no_owner(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("owner") / "one.json"
    file.write_bytes(content)
    assert load_live(file) is None


def test_run_ids_are_safe_as_names():
    assert RUN_ID.fullmatch("2024-01-01T00.00_x-1")
    assert not any(map(RUN_ID.fullmatch, ["", ".", "..", "-x", "a/b", "a b", "a\n"]))
