"""A comparison within one run says what its two sides are."""

import pytest

from tare.bench.analysis.sides import sides_of
from tare.bench.request.request import CommandVersion, Request, SettingsVariant
from tare.bench.request.setting import defaults


def test_commands_are_shown_as_a_shell_takes_them():
    versions = (CommandVersion("base", ("./old", "a b")), CommandVersion("head", ("./new",)))
    assert sides_of(Request(defaults(), versions=versions), "base", "head") == ("./old 'a b'", "./new")


def test_of_settings_those_that_differ_are_shown():
    settings = defaults()
    other = settings.with_run(precision=0.005)
    variants = SettingsVariant("base", settings.with_run(precision=0.01)), SettingsVariant("head", other)
    assert sides_of(Request(settings, variants=variants), "base", "head") == (
        "run.precision=1%",
        "run.precision=0.5%",
    )


@pytest.mark.parametrize("asked", [None, Request(defaults())])
def test_two_stored_runs_are_known_by_their_names_alone(asked):
    assert sides_of(asked, "base", "head") == ("", "")
