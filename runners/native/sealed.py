"""Hand programs to places as sealed memory, so that nothing a place can reach leads to a file of the host.

A process finds its program through ``/proc/PID/exe``. If that were a file of the cache, root in a container could write
to it once the process runs something else, and later runs would use what was written (as in CVE-2019-5736).
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from pathlib import Path

_MFD_EXEC = 0x10
"""Since Linux 6.3, see memfd_create(2): the file stays executable where ``vm.memfd_noexec`` is 1."""

_CHUNK = 1 << 20

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@functools.cache
def sealed(program: Path) -> int:
    """Copy a program into memory, seal the copy against every change, and give its descriptor.

    The descriptor is for execveat(2) with ``AT_EMPTY_PATH``; it stays open as long as this process, which makes one
    copy of each program.

    Raises:
        TareError: the file cannot be read, or this kernel runs no programs from memory.
    """
    try:
        content = program.read_bytes()
        descriptor = _create(program.name)
        os.posix_fallocate(descriptor, 0, len(content))
        for start in range(0, len(content), _CHUNK):
            os.pwrite(descriptor, content[start : start + _CHUNK], start)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    except OSError as error:
        raise TareError(say(
            "build.not_sealed", "cannot copy {program} into sealed memory: {error}; if the sysctl vm.memfd_noexec is 2, set it to 1 or 0",
            program=program, error=error,
        )) from error  # fmt: skip
    return descriptor


def _create(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # kernels before 6.3 do not know the flag
            raise
        return os.memfd_create(name, flags)
