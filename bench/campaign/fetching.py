"""Fetch what runners will need, while the image is made."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tare.runners.context import Fetching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def fetched_meanwhile(runners: Iterable[object]) -> Iterator[None]:
    """Fetch in a thread what the runners will need to be prepared, and wait for it at the end.

    What cannot be had is not told here: the runner's ``prepare`` asks for it again, and is the one who says so. After an
    error or an interruption of the caller, what is being fetched is fetched to its end (Ctrl-C ends apt-get, too), and
    nothing else is begun.
    """
    wanted = [fetch for runner in runners if isinstance(runner, Fetching) for fetch in runner.fetches()]
    ended = threading.Event()

    def work() -> None:
        for fetch in wanted:
            if ended.is_set():
                return
            with suppress(Exception):
                fetch()

    thread = threading.Thread(target=work, name="fetching")
    thread.start()
    try:
        yield
    except BaseException:
        ended.set()
        raise
    finally:
        thread.join()
