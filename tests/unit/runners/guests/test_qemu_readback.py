from pathlib import Path

import pytest

from support.stub import Duck
from tare.runners.errors import TareError
from tare.runners.guests.qemu.hugepages import check_free
from tare.runners.guests.qemu.qmp import QmpError
from tare.runners.guests.qemu.readback import achieved, memory_facts, pin_vcpus
from tare.runners.guests.qemu.variants import parse

SMAPS = """\
7f0000000000-7f0040000000 rw-p 00000000 00:00 0
Size:            1048576 kB
KernelPageSize:        4 kB
Rss:               20000 kB
7f0040000000-7f0050000000 rw-s 00000000 00:01 7   /memfd:memory (deleted)
Size:             262144 kB
KernelPageSize:     {page} kB
Rss:              {rss} kB
Private_Hugetlb:  {huge} kB
VmFlags: rd wr
"""


def memory(tmp_path, page=4, rss=0, huge=0):
    file = tmp_path / "smaps"
    file.write_text(SMAPS.format(page=page, rss=rss, huge=huge))
    return memory_facts(1, 256 << 20, file)


def test_memory_is_the_guests_and_not_the_emulators_own(tmp_path):
    found = memory(tmp_path, rss=262144)
    assert found["memory_allocated"] == "all"
    assert found["memory_pages"].startswith("4 KiB, transparent huge pages: ")


def test_memory_on_demand(tmp_path):
    assert memory(tmp_path, rss=100)["memory_allocated"] == "on demand"


def test_huge_pages(tmp_path):
    assert memory(tmp_path, page=2048, huge=262144) == {
        "memory_pages": "2048 KiB, set aside",
        "memory_allocated": "all",
    }


def test_memory_that_cannot_be_seen_is_unknown(tmp_path):
    assert set(memory_facts(1, 1 << 40, tmp_path / "none").values()) == {"unknown"}


class Monitor(Duck):
    """Answers as QEMU does."""

    def __init__(self, threads, cache=(False, False, True)):
        self.threads, self.cache = threads, cache

    def ask(self, command, arguments=None):
        if command == "query-cpus-fast":
            return [
                {"cpu-index": n, "thread-id": thread, "qom-path": f"/cpu/{n}"}
                for n, thread in reversed(list(enumerate(self.threads)))
            ]
        if command == "qom-get":
            return "max-x86_64-cpu"
        if command == "query-block":
            no_flush, direct, writeback = self.cache
            mode = {"no-flush": no_flush, "direct": direct, "writeback": writeback}
            return [{"device": "root"}, {"device": "scratch", "inserted": {"cache": mode}}]
        raise QmpError(f"QEMU refused {command}")


class Machine(Duck):
    def __init__(self, variant="", cpu="max"):
        self.variant, self.cpu = parse(variant), cpu
        self.scratch, self.memory_bytes = Path("/x"), 1 << 40


@pytest.mark.parametrize(
    ("cache", "mode"),
    [
        ((False, False, True), "writeback"),
        ((False, True, True), "none"),
        ((False, False, False), "writethrough"),
        ((False, True, False), "directsync"),
        ((True, False, True), "unsafe"),
    ],
)
def test_the_cache_mode_is_what_qemu_says_and_not_what_was_asked(cache, mode):
    assert achieved(Monitor([1], cache), 0, Machine("cache=none"), b"")["disk_cache"] == mode


def test_what_qemu_does_not_tell_is_unknown():
    assert achieved(Monitor([1]), 0, Machine("balloon"), b"")["balloon"] == "unknown"


def test_falling_back_is_noticed():
    said = b"qemu: Unable to use linux io_uring, falling back to thread pool: no"
    assert achieved(Monitor([1]), 0, Machine("aio=io_uring"), said)["disk_aio"] == "threads"


def test_flags_belong_to_the_model():
    assert achieved(Monitor([1]), 0, Machine(cpu="max,-avx"), b"")["cpu_model"] == "max,-avx"


def test_vcpus_take_turns_on_the_host_cpus(monkeypatch):
    bound = {}
    monkeypatch.setattr("os.sched_setaffinity", bound.__setitem__)
    pin_vcpus(Monitor([11, 12, 13]), (4, 6))
    assert bound == {11: {4}, 12: {6}, 13: {4}}


@pytest.mark.parametrize(("needed", "enough"), [(512 << 20, True), (514 << 20, False)])
def test_huge_pages_are_counted_before_they_are_needed(tmp_path, needed, enough):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("HugePages_Free:    300\nHugePages_Rsvd:     44\nHugepagesize:       2048 kB\n")
    if enough:
        check_free(needed, meminfo)
    else:
        with pytest.raises(TareError, match="needs 257"):
            check_free(needed, meminfo)
