import argparse

import pytest

from tare.bench.request import settings
from tare.runners.errors import UsageError


@pytest.fixture
def parse(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    settings.add_options(parser, "run", "limits", "guest", "places")
    return parser.parse_args


def test_options_win_over_environment_over_file_over_defaults(parse, tmp_path):
    (tmp_path / "tare.toml").write_text('[guest]\naccel = "tcg"\nkernel = "/file"\ncpu = "max"\n')
    environ = {"TARE_GUEST_KERNEL": "/environment", "TARE_ACCEL": "kvm"}
    values = settings.resolve(parse(["--accel", "auto"]), environ)
    assert values["guest.accel"] == "auto"
    assert values["guest.kernel"] == "/environment"
    assert values["guest.cpu"] == "max"
    assert values["limits.pids"] == 512


@pytest.mark.parametrize(
    ("words", "environ", "file", "origin"),
    [
        (["--accel", "hvf"], {}, "", "--accel"),
        ([], {"TARE_ACCEL": "xen"}, "", r"\$TARE_ACCEL"),
        ([], {}, "[limits]\ncpus = 0\n", "limits.cpus in the settings file"),
        (["--memory", "lots"], {}, "", "--memory"),
        (["--memory=-1G"], {}, "", "--memory"),
        (["--memory", "0"], {}, "", "--memory"),
        (["--budget", "nan"], {}, "", "--budget"),
        (["--io", "5M,6M"], {}, "", "--io"),
        (["--io", "0iops"], {}, "", "--io"),
        (["--runners", ","], {}, "", "--runners"),
        ([], {}, "[guest]\nkernal = 'x'\n", "unknown guest.kernal"),
        ([], {}, "cpus = 2\n", "must be in a table"),
        ([], {}, "[guest\n", "cannot be read"),
    ],
)
def test_a_bad_value_is_a_usage_error_that_names_where_it_came_from(
    parse, tmp_path, words, environ, file, origin
):
    (tmp_path / "tare.toml").write_text(file)
    with pytest.raises(UsageError, match=origin):
        settings.resolve(parse(words), environ)


def test_a_settings_file_asked_for_by_name_must_exist(parse):
    with pytest.raises(UsageError, match="no such file"):
        settings.resolve(parse(["--config", "elsewhere.toml"]), {})


@pytest.mark.parametrize(
    ("text", "expected"), [("512M", 512 << 20), ("2G", 2 << 30), ("1GiB", 1 << 30), ("4096", 4096)]
)
def test_sizes_are_powers_of_1024(text, expected):
    assert settings.size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50M", (50 << 20, 0)), ("2000iops", (0, 2000)), ("2000IOPS, 1M/s", (1 << 20, 2000))],
)
def test_io_is_limited_in_bytes_or_operations_or_both(parse, text, expected):
    found = settings.limits(settings.resolve(parse(["--io", text]), {}), [0])
    assert (found.io_bytes_per_second, found.io_operations_per_second) == expected


def test_a_cpu_list_reads_as_cpuset_files_write_it():
    assert settings.cpu_list("0-2,5") == (0, 1, 2, 5)


def test_more_cpus_than_there_are_is_a_usage_error(parse):
    values = settings.resolve(parse(["--cpus", "3"]), {})
    with pytest.raises(UsageError, match="only 2"):
        settings.limits(values, [0, 1])


def test_limits_default_to_all_cpus(parse):
    assert settings.limits(settings.resolve(parse([]), {}), [0, 1]).cpus == 2
