"""A full or broken disk and reached limits are told as what they are, wherever they come up, and are no crash."""

import errno
import os
from types import SimpleNamespace

import pytest

from tare.bench import __main__ as main_module
from tare.bench.errors import Exit
from tare.bench.host_faults import host_fault, no_more_threads


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    for name in ("cache", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TARE_WORKDIR", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fault(number, *names):
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "dmesg"),
        (errno.EIO, "dmesg"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "file-max"),
        (errno.ENOMEM, "memory"),
    ],
)
def test_faults_of_the_host_have_a_remedy_and_no_crash_report(folders, monkeypatch, capsys, number, words):
    def fail(_words):
        raise fault(number)

    monkeypatch.setattr(main_module, "_parse", fail)
    assert main_module.main(["plan"]) == Exit.ENVIRONMENT
    told = capsys.readouterr().err
    assert told.startswith(f"tare: {os.strerror(number)}")
    assert words in told
    assert not (folders / "cache/crashes").exists()


def test_a_refused_thread_is_no_crash(folders, monkeypatch, capsys):
    def fail(_words):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(main_module, "_parse", fail)
    assert main_module.main(["plan"]) == Exit.ENVIRONMENT
    assert "may have no further threads" in capsys.readouterr().err
    assert no_more_threads(RuntimeError("another")) == ""


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EINVAL, None])
def test_other_errors_stay_crashes(number):
    assert host_fault(OSError(number, "x") if number else OSError()) == ""


def test_the_folder_that_is_full_is_named_with_its_variable(folders, monkeypatch):
    def statvfs(folder):
        full = folder == folders / "work"
        return SimpleNamespace(f_bavail=0 if full else 1 << 20, f_frsize=4096, f_files=0, f_favail=0)

    monkeypatch.setattr("tare.bench.host_faults.os.statvfs", statvfs)
    told = host_fault(fault(errno.ENOSPC, str(folders / "work/x")))
    assert f"Free some space in {folders}/work ($TARE_WORKDIR names another)." in told
    assert "TARE_CACHE" not in told


def test_a_folder_that_cannot_be_found_out_does_not_hide_the_error(folders, monkeypatch):
    monkeypatch.setenv("TARE_CACHE", "/proc/none")
    monkeypatch.setattr("tempfile.gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    assert "No space left" in host_fault(fault(errno.ENOSPC))
