"""The limit of open files: raised for the suite, told if it is too low, and the user's own for what is measured."""

import errno
import resource
import subprocess
import sys

import pytest

from tare.runners.errors import TareError, as_failure, remedy_of
from tare.runners.host import open_files
from tare.runners.host.open_files import FileLimit, check_open_files

RAISE = "from tare.runners.host.open_files import file_limit; print(file_limit())"


def limited(soft, hard, code=RAISE):
    """Run Python with these limits of open files."""
    command = f"ulimit -Sn {soft}; ulimit -Hn {hard}; exec {sys.executable} -c '{code}'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


def test_the_soft_limit_is_raised_to_the_hard_one():
    assert limited(200, 1000) == str(FileLimit(200, 1000, 1000))
    assert limited(1000, 1000) == str(FileLimit(1000, 1000, 1000))


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (FileLimit(1024, 4096, 4096), "1024 (soft), 4096 (hard), raised to 4096 for the suite itself"),
        (FileLimit(4096, 4096, 4096), "4096 (soft), 4096 (hard)"),
    ],
)
def test_what_was_done_is_described(limit, said):
    assert limit.describe() == said


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (FileLimit(128, 128, 128), "128:128"),
        (FileLimit(resource.RLIM_INFINITY, 0, resource.RLIM_INFINITY), "unlimited:unlimited"),
    ],
)
def test_it_is_spelled_for_prlimit(limit, said):
    assert limit.for_prlimit() == said


def test_a_limit_that_is_too_low_is_said_with_what_is_needed(monkeypatch):
    monkeypatch.setattr(open_files, "file_limit", lambda: FileLimit(128, 128, 128))
    with pytest.raises(
        TareError, match=r"128 files open \(`ulimit -n`\), and a run needs 256 .*`ulimit -n 4096`"
    ):
        check_open_files()
    enough = FileLimit(128, 4096, 4096)
    monkeypatch.setattr(open_files, "file_limit", lambda: enough)
    assert check_open_files() == enough


def test_reaching_the_limit_later_has_its_remedy():
    assert "ulimit -n 4096" in as_failure(OSError(errno.EMFILE, "Too many open files")).remedy
    assert "fs.file-max" in remedy_of(errno.ENFILE)
    assert as_failure(OSError(errno.ENOENT, "No such file")).remedy == remedy_of(None) == ""
