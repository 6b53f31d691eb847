"""The home folder of users with and without one."""

import os
import pwd
from pathlib import Path

import pytest

from tare.runners.host.home import home_folder


@pytest.fixture
def nameless(monkeypatch):
    def getpwuid(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)


def test_the_variable_is_taken_first(monkeypatch):
    monkeypatch.setenv("HOME", "/some/where")
    assert home_folder() == Path("/some/where")


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_else_it_is_the_one_of_the_passwd_entry(monkeypatch, home):
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert home_folder() == Path(pwd.getpwuid(os.getuid()).pw_dir)


@pytest.mark.usefixtures("nameless")
def test_a_user_without_name_has_none(monkeypatch):
    monkeypatch.delenv("HOME")
    assert home_folder() is None
