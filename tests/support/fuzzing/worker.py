"""Judge inputs one after the other in a process with limits; ``python -m support.fuzzing.worker SEED BASE NUMBER…``.

Writes one JSON line before each input and one after it, so that whoever started the process knows which one ended it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import traceback
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NoReturn
from unittest.mock import patch

from support.fuzzing.borders import Borders
from support.fuzzing.targets import drawn, perform
from tare.bench import crash
from tare.results.errors import ResultError
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

MEMORY_BYTES = 1 << 30
"""Address space of the worker, everything that is loaded included."""
SECONDS = 10.0
"""CPU time for one input."""


class TookTooLongError(BaseException):
    """An input used more than :data:`SECONDS`; no handler of the code under test takes it for its own error."""


def judge(seed: str, number: int, folder: Path, borders: Borders) -> str:
    """Make one input and let it be read; return what is wrong, empty if nothing is."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 - damage has to be repeatable
    target = drawn(chance)
    words = target.make(folder, chance)
    fault = ""
    borders.watching = True
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        perform(target, words, folder)
    except (ResultError, TareError) as error:
        fault = _no_sentence(error)
    except TookTooLongError:
        fault = f"hang: more than {SECONDS:g} s of CPU time\n{traceback.format_exc()[-3000:]}"
    except Exception:  # noqa: BLE001 - this is what is looked for
        fault = f"traceback\n{_shortened(traceback.format_exc())}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        borders.watching = False
    outside = borders.crossed()
    return fault or (f"outside: {'; '.join(outside[:5])}" if outside else "")


def _shortened(text: str) -> str:
    return text if len(text) < 6000 else f"{text[:2500]}\n…\n{text[-3000:]}"


def _no_sentence(error: BaseException) -> str:
    if not str(error).strip():
        return f"no sentence: {type(error).__name__} without a text"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"memory: more than {MEMORY_BYTES >> 20} MiB\n{_shortened(traceback.format_exc())}"
        cause = cause.__cause__ or cause.__context__
    return ""


def _too_long(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise TookTooLongError


def _raise_again(error: BaseException, _words: Sequence[str]) -> NoReturn:
    raise error


def main(arguments: Sequence[str]) -> None:
    """Judge the numbers that are given."""
    seed, base, *numbers = arguments
    home = Path(base)
    signal.signal(signal.SIGPROF, _too_long)
    # A crash is to show its traceback here, not to be kept in a file.
    patch.object(crash, "keep", _raise_again).start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (512 << 20, 512 << 20))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    borders = Borders(home)
    answers = os.fdopen(os.dup(1), "w")
    for number in map(int, numbers):
        folder = home / "below" / str(number)
        folder.mkdir(parents=True)
        os.chdir(folder)
        print(json.dumps({"begun": number}), file=answers, flush=True)
        fault = judge(seed, number, folder, borders)
        os.chdir(home)
        _remove(folder)
        left = sorted(path.name for path in home.iterdir() if path.name not in {"below", "home", "tmp"})
        if left and not fault:
            fault = f"outside: left {', '.join(left)[:300]}"
        print(json.dumps({"judged": number, "fault": fault}), file=answers, flush=True)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for path in (folder, *folder.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
