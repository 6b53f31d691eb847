"""Declare the options of commands that measure or plan, and make a request of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.request import layers
from tare.bench.request.provenance import read_labels
from tare.bench.request.request import Request

if TYPE_CHECKING:
    import argparse


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Declare everything that a request is made of."""
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--quick", dest="mode", action="store_const", const="quick", help="about a minute; never a baseline"
    )
    modes.add_argument(
        "--rigorous", dest="mode", action="store_const", const="rigorous", help="about an hour"
    )
    parser.add_argument("--offline", action="store_true", help="use only what is there; fetch nothing")
    parser.add_argument(
        "--skip-missing",
        action="store_true",
        help="exit 0 even if a runner named by --runners could not be measured",
    )
    parser.add_argument("--carry", action="append", type=Path, default=[], metavar="PATH",
                        help="with a command: file or folder that it needs in the image; may be repeated")  # fmt: skip
    layers.add_options(parser, "run", "limits", "crowd", "kubernetes", "guest", "output")
    parser.set_defaults(mode="default")


def add_label_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option of commands that make a run."""
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a label to find the run by, such as machine=rack-7; may be repeated",
    )


def counting_is_asked_for(arguments: argparse.Namespace) -> bool:
    """Tell whether the command line asks for counts; a setting alone counts only where there are commands."""
    return bool(getattr(arguments, "run.count") == "true")


def request_from(arguments: argparse.Namespace) -> Request:
    """Make the request that the options ask for.

    Raises:
        UsageError: a setting cannot be used; the text names the layer it came from.
    """
    return Request(
        settings=layers.resolve(arguments),
        mode=arguments.mode,
        offline=arguments.offline,
        skip_missing=getattr(arguments, "skip_missing", False),
        profile=getattr(arguments, "profile", False),
        resume=getattr(arguments, "resume", None) or "",
        argv=arguments.argv,
        labels=read_labels(getattr(arguments, "label", ())),
        command=tuple(arguments.trailing),
        carry=tuple(arguments.carry),
        report=not getattr(arguments, "no_report", False),
    )
