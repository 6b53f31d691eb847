"""Test that nothing that is no file keeps a reader waiting."""

import os
import socket
from pathlib import Path

import pytest

from tare.results.plain_files import NotPlainError, open_plain, read_plain

REASON = "it is a FIFO, a socket or a device, not a file"


def test_a_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "link") == b"content"


def test_a_fifo_is_refused_whether_or_not_somebody_writes(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(NotPlainError, match=f"^{REASON}$"):
        open_plain(fifo)
    writer = os.open(fifo, os.O_RDWR)
    with pytest.raises(NotPlainError, match=f"^{REASON}$"):
        open_plain(fifo)
    os.close(writer)


def test_devices_and_folders_are_refused(tmp_path):
    with pytest.raises(NotPlainError):
        open_plain(Path("/dev/zero"))
    with pytest.raises(IsADirectoryError):
        open_plain(tmp_path)


def test_a_socket_cannot_be_opened(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="No such device"):
            open_plain(tmp_path / "socket")


def test_the_null_device_is_an_empty_file():
    assert read_plain(Path(os.devnull)) == b""


def test_a_pipe_of_the_shell_is_read_to_its_end():
    reader, writer = os.pipe()
    os.write(writer, b"said")
    os.close(writer)
    assert read_plain(Path(f"/dev/fd/{reader}")) == b"said"
    os.close(reader)


def test_a_refusal_leaves_no_descriptor(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(NotPlainError):
        open_plain(tmp_path / "fifo")
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)
