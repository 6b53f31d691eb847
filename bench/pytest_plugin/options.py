"""Declare the options of ``tare run`` to pytest, and make a request of them.

pytest starts with this module in every session that loads the plugin, so it imports little.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tare.bench.request.declarations import SETTINGS

if TYPE_CHECKING:
    from tare.bench.request.request import Request

PREFIX: pytest.StashKey[str] = pytest.StashKey()
"""What the session's options begin with: ``--`` in the suite, ``--tare-`` elsewhere."""

_REQUEST: pytest.StashKey[Request] = pytest.StashKey()


def add_options(parser: pytest.Parser, prefix: str) -> None:
    """Declare the options with a prefix. pytest's own ``-k`` means the same and stays pytest's.

    Their destinations all begin with ``tare_``, so that no option of a conftest meets them.
    """
    group = parser.getgroup("tare", "tare: what to measure, and how thoroughly")

    def flag(name: str, help_text: str, **how: Any) -> None:
        how = {"action": "store_true", "dest": f"tare_{name}", **how}
        group.addoption(f"{prefix}{name}", help=help_text, **how)

    mode = {"action": "store_const", "dest": "tare_mode", "default": "default"}
    flag("quick", "about a minute; never a baseline", const="quick", **mode)
    flag("rigorous", "about an hour", const="rigorous", **mode)
    flag("offline", "use only what is there; fetch nothing")
    flag(
        "profile",
        "sample Python workloads and your own commands with py-spy in every place, after the measurement: flame graphs",
    )
    group.addoption(
        f"{prefix}resume", dest="tare_resume", metavar="RUN", default="", help="go on with an interrupted run"
    )
    group.addoption(
        f"{prefix}label", dest="tare_label", metavar="KEY=VALUE", action="append", default=[],
        help="a label to find the run by; may be repeated",
    )  # fmt: skip
    group.addoption(
        "--tare-config", dest="tare_config", metavar="FILE", help="settings file (default: the nearest)"
    )
    for setting in SETTINGS:
        if setting.option.startswith("--") and setting.group != "commands":  # there are none in a session
            group.addoption(
                setting.option_under(prefix),
                dest=_destination(setting.key),
                metavar=setting.metavar,
                help=setting.help.replace("%", "%%"),
                default=None,
            )


def request_of(config: pytest.Config) -> Request:
    """Make the request that the session's options ask for; ``-k`` has been applied to the collected tests.

    Raises:
        UsageError: an option cannot be used; the text names it, or the layer below that the value came from.
    """
    if _REQUEST not in config.stash:
        config.stash[_REQUEST] = _read(config)
    return config.stash[_REQUEST]


def _read(config: pytest.Config) -> Request:
    from tare.bench.request.layers import merge  # noqa: PLC0415 - see above
    from tare.bench.request.provenance import read_labels  # noqa: PLC0415 - see above
    from tare.bench.request.request import Request  # noqa: PLC0415 - see above

    option = config.option
    given = {setting.key: getattr(option, _destination(setting.key), None) for setting in SETTINGS}
    file = Path(option.tare_config) if option.tare_config else None
    settings = merge(given, file, prefix=config.stash[PREFIX])
    return Request(
        settings=settings.with_run(keyword=""),
        mode=option.tare_mode,
        offline=option.tare_offline,
        profile=option.tare_profile,
        resume=option.tare_resume,
        argv=("pytest", *config.invocation_params.args),
        labels=read_labels(option.tare_label),
    )


def _destination(key: str) -> str:
    return f"tare_{key.replace('.', '_')}"
