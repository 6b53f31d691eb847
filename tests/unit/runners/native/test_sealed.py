"""Programs in sealed memory: the same bytes, and nobody can change them."""

import os
import subprocess
from pathlib import Path

import pytest

from tare.runners.errors import TareError
from tare.runners.native.sealed import sealed


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(b"#!/bin/sh\n" + bytes(3 << 20))
    return path


def test_the_copy_has_the_same_bytes_and_stays(program):
    descriptor = sealed(program)
    assert os.pread(descriptor, 4 << 20, 0) == program.read_bytes()
    program.unlink()
    assert sealed(program) == descriptor


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC])
def test_nobody_can_change_it(program, flags):
    descriptor = sealed(program)
    with pytest.raises(OSError, match="not permitted"):
        os.write(os.open(f"/proc/self/fd/{descriptor}", flags), b"other")
    for change in (lambda: os.ftruncate(descriptor, 1), lambda: os.pwrite(descriptor, b"x", 0)):
        with pytest.raises(OSError, match="not permitted"):
            change()


def test_it_runs():
    descriptor = sealed(Path("/bin/true"))
    subprocess.run([f"/proc/self/fd/{descriptor}"], pass_fds=[descriptor], check=True)


def test_a_missing_program_is_said(tmp_path):
    with pytest.raises(TareError, match="sealed memory"):
        sealed(tmp_path / "missing")
