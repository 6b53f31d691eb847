"""The file of the disk workloads, as the program in the image lays it out."""

import subprocess
import zlib

import pytest

from tare.runners.inside import SOURCE
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache


@pytest.fixture(scope="module")
def program():
    return str(build(SOURCE, default_cache()))


def test_it_is_written_whole_and_cannot_be_compressed(program, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"older and longer" * 200_000)
    done = subprocess.run(
        [program, "layout", str(file), str((2 << 20) + 4096)], check=True, capture_output=True
    )
    content = file.read_bytes()
    assert done.stdout == b""
    assert len(content) == (2 << 20) + 4096
    assert file.stat().st_blocks * 512 >= len(content)
    assert len(zlib.compress(content, 1)) > 0.99 * len(content)
    assert content[: 1 << 20] != content[1 << 20 : 2 << 20]


def test_a_folder_that_is_not_there_is_named(program, tmp_path):
    done = subprocess.run(
        [program, "layout", str(tmp_path / "none" / "file"), "4096"], check=False, capture_output=True
    )
    assert done.returncode == 1
    assert b"making the file" in done.stderr
