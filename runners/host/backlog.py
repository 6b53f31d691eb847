"""Let a listening socket of another process hold more connections that wait to be accepted.

QEMU's user network listens at a forwarded port with a backlog of 1. Clients that open many connections at once have all
but two of them refused silently, and try again after 1, 3, 7, 15 and 31 s. The backlog belongs to the socket, not to the
process, so listen(2) on a duplicate widens it (pidfd_getfd(2), Linux 5.6 and later).
"""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path
from typing import Any

WIDE = 128
"""Connections that may wait, as most servers allow."""
_PIDFD_GETFD = 438
"""Number of the system call on all architectures."""
_LISTEN = "0A"


def widen_backlog(pid: int, port: int, backlog: int = WIDE) -> bool:
    """Widen the backlog of a process' socket that listens at a port of the loopback address; tell whether it was done."""
    try:
        fd = _descriptor(pid, port)
        if fd is None:
            return False
        with socket.socket(fileno=_duplicate(pid, fd)) as found:
            found.listen(backlog)
    except OSError:  # an older kernel, or one that does not let this process look into that one
        return False
    return True


def _descriptor(pid: int, port: int) -> int | None:
    """Find the descriptor of the listening socket; ``None``: the process has none."""
    local = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}:{port:04X}"
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]]
    inodes = {row[9] for row in rows if row[1] == local and row[3] == _LISTEN}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if str(entry.readlink()) in {f"socket:[{inode}]" for inode in inodes}:
            return int(entry.name)
    return None


def _duplicate(pid: int, fd: int) -> int:
    libc: Any = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        made = int(libc.syscall(_PIDFD_GETFD, process, fd, 0))
    finally:
        os.close(process)
    if made < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return made
