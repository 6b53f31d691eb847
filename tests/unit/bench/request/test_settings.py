import argparse
import json
import re
import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import ROOT
from tare.bench.request import layers, readers
from tare.bench.request.declarations import SETTINGS, near_key, override
from tare.bench.request.record import changes_to_json, settings_from_json, settings_to_json
from tare.bench.request.setting import VARIABLES, defaults
from tare.reports.model import LANGUAGES
from tare.runners.errors import UsageError
from tare.runners.settings import KERNEL_SOURCES, Accel


@pytest.fixture
def parse(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    layers.add_options(parser, *layers.TITLES)
    return parser.parse_args


def test_options_win_over_environment_over_file_over_defaults(parse, tmp_path):
    (tmp_path / "tare.toml").write_text('[guest]\naccel = "tcg"\nkernel = "/file"\ncpu = "max"\n')
    environ = {"TARE_GUEST_KERNEL": "/environment", "TARE_ACCEL": "kvm"}
    values = layers.resolve(parse(["--accel", "auto"]), environ)
    assert values.guest.accel == "auto"
    assert values.guest.kernel == "/environment"
    assert values.guest.cpu == "max"
    assert values.limits.pids == 512


def test_every_layer_is_named_as_the_origin_of_what_it_says(parse, tmp_path, monkeypatch):
    user = tmp_path / "user" / "tare" / "tare.toml"
    user.parent.mkdir(parents=True)
    user.write_text(
        "[limits]\ncpus = 1\npids = 11\nmemory = '1M'\nscratch = '1M'\n[store]\naddress = 'kept'\n"
    )
    project = tmp_path / "tare.toml"
    project.write_text("[limits]\ncpus = 2\nmemory = '2M'\nscratch = '2M'\n[run]\nresults_dir = 'runs'\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    environ = {"TARE_MEMORY": "3M", "TARE_SCRATCH": "3M", "XDG_CONFIG_HOME": str(tmp_path / "user")}
    found = {
        one.setting.key: (one.value, one.origin.kind, str(one.origin))
        for one in layers.resolve_each(parse(["--scratch", "4M", "--count"]), environ)
    }
    assert found["limits.scratch"] == (4 << 20, "option", "--scratch")
    assert found["limits.memory"] == (3 << 20, "variable", "$TARE_MEMORY")
    assert found["limits.cpus"] == (2, "project", str(project))
    assert found["limits.pids"] == (11, "user", str(user))
    assert found["run.seed"] == (None, "default", "default")
    assert found["run.count"] == (True, "option", "--count")
    # Relative paths are of the folder of the file that they are in.
    assert found["run.results_dir"][0] == tmp_path / "runs"
    assert found["store.address"][0] == str(user.parent / "kept")


@pytest.mark.parametrize(
    ("words", "environ", "file", "count"),
    [
        ([], {}, "[run]\ncount = true\n", True),
        (["--no-count"], {}, "[run]\ncount = true\n", False),
        ([], {"TARE_COUNT": "no"}, "[run]\ncount = true\n", False),
        (["--count"], {"TARE_COUNT": "0"}, "", True),
        ([], {}, "", False),
    ],
)
def test_a_flag_can_be_set_and_undone_in_every_layer(parse, tmp_path, words, environ, file, count):
    (tmp_path / "tare.toml").write_text(file)
    assert layers.resolve(parse(words), environ).commands.count is count


def test_the_users_file_has_settings_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tare").mkdir()
    (tmp_path / "tare" / "tare.toml").write_text("[workloads.a]\ncommand = 'x'\n")
    with pytest.raises(UsageError, match="definitions of workloads belong to a project"):
        layers.merge({}, environ={"XDG_CONFIG_HOME": str(tmp_path)})


BELOW = {
    "run.results_dir": [("a", "/f/a"), ("/a", "/a"), ("~/a", "~/a")],
    "run.tools": [("runc=x/runc,crun=/c, youki=youki", "runc=/f/x/runc,crun=/c, youki=youki")],
    "run.image": [("a.tar:b", "/f/a.tar:b"), ("/a.tar", "/a.tar"), ("ghcr.io/a/b", "ghcr.io/a/b")],
    "store.address": [("a", "/f/a"), ("git:a/b@c", "git:a/b@c"), ("s3://b/f", "s3://b/f")],
    "guest.kernel": [("cloud", "cloud"), ("vmlinux", "/f/vmlinux"), ("", "")],
    "guest.firecracker": [("firecracker", "firecracker"), ("./fc", "/f/fc")],
    "guest.qemu": [("q", "/f/q"), ("", "")],
    **{key: [("a", "/f/a")] for key in ("run.baselines_dir", "run.reports_dir", "guest.modules")},
}
"""Key → what a file in ``/f`` says, and what is read; for all others, that is the same."""


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_paths_in_a_file_are_of_its_folder_and_nothing_else_changes(setting):
    example = setting.read.example
    for text, wanted in BELOW.get(setting.key, [(example, example)]):
        assert setting.read.below(text, Path("/f")) == wanted


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_what_is_written_is_read_as_the_same_value(setting):
    text, value = SAMPLES[setting.key]
    for one in (value, setting.default):
        if one is not None and (written := setting.text(one)):
            assert setting.read(written) == one
    assert setting.text(None) == ""
    assert setting.text(setting.read(text))


@given(st.integers(1, 1 << 50))
def test_sizes_are_written_exactly(number):
    assert readers.size(readers.size.write(number)) == number


@given(st.floats(0.001, 1e6), st.floats(2e-6, 0.999))
def test_times_and_shares_are_written_exactly_enough(number, share):
    assert readers.seconds(readers.seconds.write(number)) == number
    assert readers.percentage(readers.percentage.write(share)) == pytest.approx(share, rel=1e-10)


@pytest.mark.parametrize(
    ("words", "environ", "file", "origin"),
    [
        (["--accel", "hvf"], {}, "", "--accel"),
        ([], {"TARE_ACCEL": "xen"}, "", r"\$TARE_ACCEL"),
        ([], {}, "[limits]\ncpus = 0\n", "limits.cpus in tare.toml"),
        (["--memory", "lots"], {}, "", "--memory"),
        (["--memory=-1G"], {}, "", "--memory"),
        (["--memory", "0"], {}, "", "--memory"),
        (["--budget", "nan"], {}, "", "--budget"),
        (["--io", "5M,6M"], {}, "", "--io"),
        (["--io", "0iops"], {}, "", "--io"),
        (["--runners", ","], {}, "", "--runners"),
        (["--name", "a\nb"], {}, "", "--name: .*line end"),
        (["--name", "a\x1b[2J"], {}, "", "--name: .*control character"),
        (["--name", "n" * 201], {}, "", "--name: .*200 characters"),
        (["--name", "latest"], {}, "", "--name: .*newest run"),
        ([], {}, "[run]\nname = 'a\\u2028b'\n".replace("'", '"'), "run.name in tare.toml: .*line end"),
        ([], {}, "[guest]\nkernal = 'x'\n", "no setting guest.kernal; did you mean guest.kernel"),
        (
            ["--memory", "1M", "--config", "ci/x.toml"],
            {},
            "[run]\nseed = 'y'\n",
            r"--config ci/x.toml: there is no such",
        ),
        ([], {"TARE_BUDGT": "9"}, "", r"\$TARE_BUDGT: .*did you mean TARE_BUDGET"),
        ([], {"TARE_ACEL": "kvm"}, "", r"\$TARE_ACEL: .*did you mean TARE_ACCEL"),
        ([], {}, "cpus = 2\n", "must be in a table"),
        ([], {}, "[guest\n", "cannot be used"),
    ],
)
def test_a_bad_value_is_a_usage_error_that_names_where_it_came_from(
    parse, tmp_path, words, environ, file, origin
):
    (tmp_path / "tare.toml").write_text(file)
    with pytest.raises(UsageError, match=origin):
        layers.resolve(parse(words), environ)


def test_a_settings_file_asked_for_by_name_must_exist(parse):
    with pytest.raises(UsageError, match="no such file"):
        layers.resolve(parse(["--config", "elsewhere.toml"]), {})


@pytest.mark.parametrize(
    ("text", "expected"), [("512M", 512 << 20), ("2G", 2 << 30), ("1GiB", 1 << 30), ("4096", 4096)]
)
def test_sizes_are_powers_of_1024(text, expected):
    assert readers.size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50M", (50 << 20, 0)), ("2000iops", (0, 2000)), ("2000IOPS, 1M/s", (1 << 20, 2000))],
)
def test_io_is_limited_in_bytes_or_operations_or_both(parse, text, expected):
    found = layers.resolve(parse(["--io", text]), {}).limits.on([0])
    assert (found.io_bytes_per_second, found.io_operations_per_second) == expected


def test_a_cpu_list_reads_as_cpuset_files_write_it():
    assert readers.cpu_list("0-2,5") == (0, 1, 2, 5)


def test_more_cpus_than_there_are_is_a_usage_error(parse):
    values = layers.resolve(parse(["--cpus", "3"]), {})
    with pytest.raises(UsageError, match="only 2"):
        values.limits.on([0, 1])


def test_limits_default_to_all_cpus(parse):
    assert layers.resolve(parse([]), {}).limits.on([0, 1]).cpus == 2


# -- declarations


def fields():
    groups = msgspec.structs.asdict(defaults())
    return {f"{name}.{field}" for name, group in groups.items() for field in group.__struct_fields__}


def test_every_field_is_declared_once_and_every_declaration_has_a_field():
    assert sorted(f"{setting.group}.{setting.name}" for setting in SETTINGS) == sorted(fields())
    for unique in ("key", "option", "long", "variable"):
        values = [getattr(setting, unique) for setting in SETTINGS]
        assert len(set(values)) == len(values)
    assert {setting.group for setting in SETTINGS} == set(layers.TITLES)


SAMPLES = {
    "run.runners": ("bare, runc", ("bare", "runc")),
    "run.keyword": ("null or cpu", "null or cpu"),
    "run.image": ("a.tar:b", "a.tar:b"),
    "run.seed": ("-3", -3),
    "run.blocks": ("7", 7),
    "run.budget": ("1.5", 1.5),
    "run.precision": ("2 %", 0.02),
    "run.tools": ("runc=/a, crun=/b", {"runc": "/a", "crun": "/b"}),
    "run.name": ("x", "x"),
    "run.results_dir": ("a", Path("a")),
    "run.baselines_dir": ("/b", Path("/b")),
    "run.reports_dir": ("c/d", Path("c/d")),
    "run.language": ("ko", "ko"),
    "store.address": ("git:runs@origin", "git:runs@origin"),
    "limits.cpus": ("2", 2),
    "limits.cpuset": ("0-2,5", (0, 1, 2, 5)),
    "limits.memory": ("2G", 2 << 30),
    "limits.pids": ("9", 9),
    "limits.scratch": ("3M", 3 << 20),
    "limits.io": ("1M,5iops", (1 << 20, 5)),
    "crowd.memory_budget": ("4k", 4096),
    "crowd.most_places": ("3", 3),
    "kubernetes.image": ("r/i:t", "r/i:t"),
    "kubernetes.containerd": ("/run/c.sock", "/run/c.sock"),
    "guest.kernel": ("/boot/x", "/boot/x"),
    "guest.modules": ("/lib/modules/x", Path("/lib/modules/x")),
    "guest.cmdline": (" a=b ", "a=b"),
    "guest.firecracker": ("fc", "fc"),
    "guest.cloud_hypervisor": ("ch", "ch"),
    "guest.qemu": ("/q", Path("/q")),
    "guest.cpu": ("max", "max"),
    "guest.accel": ("tcg", "tcg"),
    "guest.boot_timeout": ("90", 90.0),
    "run.count": ("yes", True),
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_reader_makes_what_the_field_holds_and_json_keeps_it(setting):
    text, expected = SAMPLES[setting.key]
    found = layers.merge({setting.key: text}, environ={})
    assert setting.of(found) == expected
    plain = json.loads(json.dumps(settings_to_json(found)))
    assert settings_from_json(plain, "") == found
    assert settings_from_json(changes_to_json(found, defaults()), "") == found
    assert setting.key in changes_to_json(found, defaults())


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_help_shows_the_default_and_the_variable(setting, parse):
    (text,) = (line for line in setting.described.splitlines())
    assert text.endswith(f"[${setting.variable}]")
    if isinstance(setting.default, str | Path) and str(setting.default):
        assert f"(default: {setting.default})" in text


def test_words_for_kernels_stay_words_and_files_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert readers.kernel("cloud") == "cloud"
    assert readers.kernel("vmlinux") == str(tmp_path / "vmlinux")
    assert readers.kernel("") == ""
    assert readers.file("~/q") == tmp_path / "home/q"
    assert readers.file("") is None


def test_options_under_another_prefix_are_named_by_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^--tare-memory: cannot use 'lots'"):
        layers.merge({"limits.memory": "lots"}, environ={}, prefix="--tare-")


def test_an_override_changes_one_setting_and_adds_programs():
    base = layers.merge({"run.tools": "runc=/a", "guest.cpu": "host"}, environ={})
    setting, changed = override(base, "run.tools=crun=/b", "--base-set")
    assert setting.key == "run.tools"
    assert changed.run.tools == {"runc": "/a", "crun": "/b"}
    _, changed = override(changed, "guest.cpu=max", "--base-set")
    assert changed.guest.cpu == "max"
    assert changes_to_json(changed, base) == {"run.tools": changed.run.tools, "guest.cpu": "max"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run.runners", None),
        ("run.runners", ["a", 3]),
        ("run.seed", 1.5),
        ("run.blocks", 0),
        ("run.precision", 7),
        ("run.tools", {"a": 3}),
        ("run.results_dir", 3),
        ("run.language", "fr"),
        ("limits.memory", -4),
        ("limits.memory", 10**30),
        ("limits.cpus", True),
        ("limits.cpuset", [-1]),
        ("limits.io", [1, -2]),
        ("limits.colour", 1),
        ("guest.qemu", 3),
        ("guest.accel", "xen"),
    ],
)
def test_a_damaged_recorded_setting_is_named(key, value):
    with pytest.raises(UsageError, match=f"^plan.{key}: "):
        settings_from_json({key: value}, "plan")


# -- wrong values

NOTHING_IS_WRONG = {
    "run.keyword", "run.image", "run.name", "store.address", "kubernetes.image", "kubernetes.containerd",
    "guest.cmdline", "guest.firecracker", "guest.cloud_hypervisor", "guest.cpu",
}  # fmt: skip
"""Settings that any text will do for, when they are read."""

WRONG = {
    "run.runners": [",", " "],
    "run.seed": ["abc", "1.5", "9" * 5000, "9" * 30, ""],
    "run.blocks": ["abc", "0", "-1", "1e3", "9" * 30],
    "run.budget": ["abc", "0", "-1", "nan", "inf", "1e400", "6x", "m", "1e-9", ""],
    "run.precision": ["abc", "0", "100", "-1%", "nan", "%", "1e-300"],
    "run.tools": ["runc", "=x", "runc=", "runc=/a,crun"],
    "run.results_dir": ["", " "],
    "run.baselines_dir": [""],
    "run.reports_dir": [""],
    "run.language": ["fr", "EN", ""],
    "limits.cpus": ["abc", "0", "-1", "1.5"],
    "limits.cpuset": ["abc", "3-1", "-1", "0-999999999", "0,,1", "1-2-3"],
    "limits.memory": ["12Q", "lots", "0", "-1G", "nan", "inf", "G", "1e400", "9" * 400, ""],
    "limits.pids": ["abc", "0"],
    "limits.scratch": ["12Q", "0"],
    "limits.io": ["abc", "5M,6M", "0iops", "iops", "12Q/s", ","],
    "crowd.memory_budget": ["12Q"],
    "crowd.most_places": ["abc", "0"],
    "guest.kernel": ["~nobodyofthatname/vmlinux"],
    "guest.modules": ["~nobodyofthatname"],
    "guest.qemu": ["~nobodyofthatname/qemu"],
    "guest.accel": ["xen", "KVM"],
    "guest.boot_timeout": ["abc", "0"],
    "run.count": ["maybe", "2", ""],
}


NUMBERS = [one for one in {setting.read: None for setting in SETTINGS} if re.match(r"\d", one.example)]
"""Readers whose example begins with a number."""


@pytest.mark.parametrize("reader", NUMBERS, ids=lambda reader: reader.accepts)
def test_numbers_are_those_that_people_write(reader):
    for odd in ("٣", "\N{FULLWIDTH DIGIT ONE}", "1_000", "nan", "inf", "0x10", "1 0"):
        with pytest.raises(readers.Unreadable, match=r"^give "):
            reader(odd)
    with pytest.raises(readers.Unreadable, match=r"^it is empty; give "):
        reader(" ")


def test_all_readers_of_numbers_are_found():
    assert len(NUMBERS) == 7


def test_wrong_values_are_known_of_every_setting():
    assert set(WRONG) | NOTHING_IS_WRONG == {setting.key for setting in SETTINGS}
    assert not set(WRONG) & NOTHING_IS_WRONG


def refusal(setting, layer, value, tmp_path):
    given = {setting.key: value} if layer == "option" else {}
    environ = {setting.variable: value} if layer == "environment" else {}
    if layer == "file":
        group, _, key = setting.key.partition(".")
        (tmp_path / "tare.toml").write_text(f"[{group}]\n{key} = {value}\n")
    with pytest.raises(UsageError) as caught:
        layers.merge(given, environ=environ)
    return str(caught.value)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_wrong_value_is_refused_in_our_words_with_an_example(setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = [(setting.option, refusal(setting, "option", w, tmp_path)) for w in WRONG.get(setting.key, ())]
    told += [
        (setting.variable, refusal(setting, "environment", wrong, tmp_path))
        for wrong in WRONG.get(setting.key, ())
        if wrong
    ]
    told += [
        (f"{setting.key} in tare.toml", refusal(setting, "file", wrong, tmp_path))
        for wrong in ("true", "{ a = 1 }", "1979-05-27", "[[1]]", r'"\u0000"')
        if not (setting.read.flag and wrong == "true")
    ]
    for origin, text in told:
        assert origin in text
        assert len(text) < 300
        assert re.search(r"[;?:] [Gg]ive .*, such as ", text), text
        assert not re.search(r"literal|convert|Errno|invalid|<class", text), text


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_the_example_of_every_setting_can_be_used(setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in setting.read.example.split(" or "):
        layers.merge({setting.key: example}, environ={})


def test_what_is_accepted_names_all_words_that_are():
    for word in (*LANGUAGES, *KERNEL_SOURCES, *typing.get_args(Accel)):
        assert any(
            word in reader.accepts for reader in (readers.language, readers.kernel, readers.accelerator)
        )


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("6m", 360), ("1.5h", 5400)])
def test_times_are_given_in_seconds_minutes_or_hours(text, expected):
    assert readers.seconds(text) == expected


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("guest.kernal", "guest.kernel"),
        ("run.cpus", "limits.cpus"),
        ("gest.kernal", "guest.kernel"),
        ("limits.memroy", "limits.memory"),
        ("guest.colour", ""),
        ("x.y", ""),
    ],
)
def test_a_key_that_is_not_there_is_answered_with_the_one_that_was_meant(key, near):
    assert near_key(key) == (f"; did you mean {near}?" if near else ".")


def test_an_empty_variable_counts_as_not_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    others = {"TARE_FOO": "x", "TARE_JOB_RUNNERS": "x", "TARE_AXE": "x"}
    assert layers.merge({}, environ={"TARE_ACCEL": "", **others}) == defaults()


def test_every_variable_that_the_code_reads_is_known():
    parts = [ROOT / part for part in ("bench", "runners", "results", "reports")]
    read = {
        name
        for part in parts
        for path in part.rglob("*.py")
        for name in re.findall(r'"(TARE_[A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert read <= {
        *layers.OTHER_VARIABLES,
        *(setting.variable for setting in SETTINGS),
        layers.OTHERS_VARIABLES,
        VARIABLES,
    }


@pytest.mark.parametrize(
    "content", [b"[run]\nname = " + b"[" * 20_000, b"[run]\nseed = " + b"9" * 5_000, b"\xff", b"#" * 200_000]
)
def test_a_settings_file_of_any_content_is_refused_by_name(tmp_path, content):
    file = tmp_path / "odd.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"odd\.toml cannot be used"):
        layers.merge({}, file, {})
