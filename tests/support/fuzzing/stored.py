"""Damage the files that Tare keeps or is given: runs, plans, baselines, calibrations, settings, owners, caches, imports."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import cache as kept
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace

from support.export_making import given
from support.fuzzing.mutators import ODD, damaged, json_lines, json_text, packed
from support.paths import GOLDEN
from tare.bench.planning.estimates import read_numbers, timings_file
from tare.bench.planning.resume import resumed
from tare.bench.request.keyword import compile_keyword
from tare.bench.request.layers import merge
from tare.bench.request.request import Request
from tare.bench.request.settings import Settings
from tare.reports.exports import FORMATS as EXPORTS
from tare.results.errors import ResultError
from tare.results.imports import import_file as import_given
from tare.results.judgement.calibration import FORMAT, Calibration, Rate, read_calibration
from tare.results.judgement.thresholds import read_thresholds
from tare.results.plan import plan_record
from tare.results.record import FORMAT_VERSION
from tare.results.storage.find import find_run, list_runs
from tare.results.storage.load import load_run
from tare.results.storage.store import resume
from tare.results.tables.frame import read_frame
from tare.results.tables.index import NAME as INDEX
from tare.results.tables.index import read_index
from tare.runners.errors import TareError
from tare.runners.host.owners import OWNER_FILE, load_from_workdir, load_live
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

RUNS = ("record-v1", "record-v2", "experiments-v1", "experiments-v2")
PLANS = ("calibration", "command", "guests", "variants")
RUN_ID = "20261123-191748-k3f9"


# -- runs


@kept
def _example() -> tuple[bytes, bytes]:
    """Give manifest and trials of a run with everything in it."""
    example = given()
    lines = b"".join(msgspec.json.encode(trial) + b"\n" for trial in example.trials)
    return msgspec.json.encode(example.manifest), lines


def _whole(folder: Path, chance: Random) -> Path:
    path = folder / "runs" / RUN_ID
    path.mkdir(parents=True)
    name = chance.choice((*RUNS, "example", "example"))
    if name == "example":
        manifest, trials = _example()
    else:
        manifest, trials = ((GOLDEN / name / file).read_bytes() for file in ("manifest.json", "trials.jsonl"))
    (path / "manifest.json").write_bytes(manifest)
    (path / "trials.jsonl").write_bytes(trials)
    return path


def run(folder: Path, chance: Random) -> list[str]:
    """Write a run whose manifest or trials are damaged."""
    path = _whole(folder, chance)
    both = chance.random()
    if both < 0.6:
        manifest = path / "manifest.json"
        manifest.write_bytes(json_text(manifest.read_bytes(), chance))
    if both > 0.4:
        trials = path / "trials.jsonl"
        trials.write_bytes(json_lines(trials.read_bytes(), chance))
    return []


def use_run(folder: Path) -> None:
    """Find it, read it by both readers, and reopen it."""
    runs = folder / "runs"
    list_runs(runs)
    _tolerated(lambda: find_run("latest", runs))
    read = load_run(runs / RUN_ID)
    list(read.trials())
    read_frame(read, marks=True)
    resume(runs / RUN_ID).close()


def _tolerated(call: object) -> None:
    try:
        call()  # type: ignore[operator]
    except (ResultError, TareError):
        return


def _two(folder: Path, chance: Random) -> tuple[str, str]:
    """Write a damaged run and a whole one like it; return their paths in any order."""
    state = chance.getstate()
    whole = _whole(folder / "whole", chance)
    chance.setstate(state)
    run(folder, chance)
    pair = [str(whole), str(folder / "runs" / RUN_ID)]
    chance.shuffle(pair)
    return pair[0], pair[1]


def compared(folder: Path, chance: Random) -> list[str]:
    """Compare a damaged run with a whole one."""
    form = chance.choice(("text", "markdown", "json", "junit"))
    return ["compare", *_two(folder, chance), "--allow-unlike", "--format", form]


def exported(folder: Path, chance: Random) -> list[str]:
    """Export a damaged run to any format."""
    run(folder, chance)
    form = chance.choice([one.NAME for one in EXPORTS])
    return ["export", str(folder / "runs" / RUN_ID), "--format", form, "--output", str(folder / "exported")]


def history(folder: Path, chance: Random) -> list[str]:
    """Show the history of a damaged run and a whole one."""
    _two(folder, chance)
    shutil.copytree(folder / "whole/runs" / RUN_ID, folder / "runs/20261123-191749-aaaa")
    return ["history", "--results-dir", str(folder / "runs"), "--with-quick"]


def baselines(folder: Path, chance: Random) -> list[str]:
    """List baselines, the only one damaged."""
    run(folder, chance)
    home = folder / "baselines" / "class"
    shutil.copytree(folder / "runs" / RUN_ID, home / "kept")
    (home / "USE").write_bytes(damaged(b"kept\n", chance))
    return ["baseline", "list", "--baselines-dir", str(home.parent)]


def reported(folder: Path, chance: Random) -> list[str]:
    """Write the report of a damaged run."""
    run(folder, chance)
    return ["report", str(folder / "runs" / RUN_ID), "--reports-dir", str(folder / "reports")]


def plan(folder: Path, chance: Random) -> list[str]:
    """Write a run, interrupted, whose plan is damaged."""
    path = folder / "runs" / RUN_ID
    path.mkdir(parents=True)
    recorded = json.loads((GOLDEN / "plans-v1" / f"{chance.choice(PLANS)}.json").read_bytes())
    manifest = json.loads(_example()[0]) | {
        "format": FORMAT_VERSION,
        "status": "interrupted",
        "mode": recorded["mode"],
        "seed": recorded["seed"],
    }
    text = json_text(json.dumps(recorded).encode(), chance)
    whole = json.dumps(manifest | {"plan": "PLAN"}).encode()
    (path / "manifest.json").write_bytes(whole.replace(b'"PLAN"', text))
    (path / "trials.jsonl").write_bytes(_example()[1])
    return []


def use_resume(folder: Path) -> None:
    """Read the plan back as ``--resume`` does, and the estimates of earlier runs."""
    settings = Settings()
    settings = replace(settings, output=replace(settings.output, results_dir=folder / "runs"))
    _tolerated(lambda: plan_record(load_run(folder / "runs" / RUN_ID).manifest))
    resumed(Request(settings=settings, resume=RUN_ID))


def index(folder: Path, chance: Random) -> list[str]:
    """Write a whole run with a damaged index."""
    path = _whole(folder, chance)
    about = msgspec.json.encode([1, FORMAT_VERSION, 1, 1, [], []])
    encoded = np.frombuffer(json_text(about, chance), dtype=np.uint8)
    with (path / INDEX).open("wb") as file:
        np.savez(file, about=encoded, number=np.arange(10))
    if chance.random() < 0.7:
        (path / INDEX).write_bytes(damaged((path / INDEX).read_bytes(), chance))
    return []


def use_index(folder: Path) -> None:
    """Read the index."""
    read_index(load_run(folder / "runs" / RUN_ID))


# -- files of other tools


@kept
def _imports() -> tuple[bytes, ...]:
    kinds = ("fio", "hyperfine", "pytest-benchmark", "csv")
    files = [path for kind in kinds for path in sorted((GOLDEN / "cases" / kind).iterdir())]
    made = [one for one in EXPORTS if one.NAME in {"csv", "hyperfine", "pytest-benchmark", "pyperf"}]
    small = [path.read_bytes() for path in files if path.stat().st_size < 10_000]
    return (*small, *(export.render(given()) for export in made))


def import_file(folder: Path, chance: Random) -> list[str]:
    """Write another tool's file, damaged, sometimes compressed."""
    data = chance.choice(_imports())
    is_json = data.lstrip()[:1] in b"{["
    data = json_text(data, chance) if is_json else _cells(data, chance)
    (folder / "given").write_bytes(packed(data, chance))
    return []


def _cells(data: bytes, chance: Random) -> bytes:
    """Replace cells of a table by odd values, or damage bytes."""
    if chance.random() < 0.4:
        return damaged(data, chance)
    rows = [line.split(b",") for line in data.split(b"\n")]
    for _ in range(chance.randint(1, 3)):
        row = chance.choice(rows)
        row[chance.randrange(len(row))] = chance.choice(ODD).encode("utf-8", "surrogatepass")
    return b"\n".join(b",".join(row) for row in rows)


def use_import(folder: Path) -> None:
    """Import it, and read the run that it became."""
    list(load_run(import_given(folder / "given", folder / "runs")).trials())


# -- settings

SETTINGS = b"""[run]
runners = ["bare", "namespaces"]
budget = "45 s"
seed = 7
blocks = 5
precision = 0.01
keyword = "null or (disk and not fork)"
tools = { fio = "/usr/bin/fio" }
[limits]
cpus = 2
cpuset = "0-1"
memory = "512M"
pids = 100
io = "100,200"
[guest]
accel = "tcg"
[output]
language = "en"
"""
THRESHOLDS = b"""default = 0.02
[[exception]]
workload = "disk*"
metric = "wall"
threshold = "5 %"
reason = "its device is shared"
[[exception]]
runner = "qemu-*"
threshold = 0.1
reason = "guests"
"""
_TOML_ODD = (
    "nan", "inf", "-inf", "9" * 5000, '"9' + "9" * 5000 + '"', "1979-05-27T07:32:00Z", "[" * 3000, "{a=" * 1000 + "1", "[1, 'a']", "{}",
    "true", '""', '"\\u0000"', '"0-999999999"', '"12Q"', "-1", "1e400", '"((((((("', '"' + "(" * 5000 + '"', '"1e999"', '"nan"', '"-5"',
    "2024-13-45", "'''x", "0x7fffffffffffffffffff", "[[[[[]]]]]", '"\\ud800"', '"' + "not " * 3000 + 'x"', '"99999999999999999999G"',
)  # fmt: skip


def _toml(data: bytes, chance: Random) -> bytes:
    if chance.random() < 0.3:
        return damaged(data, chance)
    lines = data.decode().splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        key, equals, _ = lines[at].partition(" = ")
        match chance.randrange(4):
            case 0:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 1 if not equals:
                lines[at] = lines[at] * 2
            case _ if equals:
                lines[at] = f"{key} = {chance.choice(_TOML_ODD)}"
            case _:
                lines[at] = ".".join(["a"] * 3000) + " = 1"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def settings(folder: Path, chance: Random) -> list[str]:
    """Write settings, damaged."""
    (folder / "tare.toml").write_bytes(_toml(SETTINGS, chance))
    return []


def use_settings(folder: Path) -> None:
    """Merge them."""
    merge({}, folder / "tare.toml", {}).limits.on(range(4))


def thresholds(folder: Path, chance: Random) -> list[str]:
    """Write thresholds, damaged."""
    (folder / "thresholds.toml").write_bytes(_toml(THRESHOLDS, chance))
    return []


def use_thresholds(folder: Path) -> None:
    """Read them and look a series up."""
    read_thresholds(folder / "thresholds.toml").for_series("disk-seq", "qemu-microvm", "wall")


def keyword(folder: Path, chance: Random) -> list[str]:
    """Write an expression of ``-k``, damaged."""
    text = damaged(b"null or (disk and not fork) and 'a b'", chance)
    (folder / "keyword").write_bytes(text * chance.choice((1, 1, 1, 500)))
    return []


def use_keyword(folder: Path) -> None:
    """Compile it and match names."""
    compile_keyword((folder / "keyword").read_bytes().decode("utf-8", "surrogateescape"))(("null", "disk"))


def calibration(folder: Path, chance: Random) -> list[str]:
    """Write a calibration, damaged."""
    rate = Rate(
        workload="null", runner="bare", metric="launch.total", share=0.05, blocks=10, comparisons=9, distinct=3, relabelled=False,
        worse=1, better=1, same=1, undecided=1, half_width=0.01, mean_5=0, mean_150=0,
    )  # fmt: skip
    example = Calibration(
        format=FORMAT, host_class="h", created="", run="r", threshold=0.02, blocks=80, rates=[rate]
    )
    (folder / "calibration.json").write_bytes(json_text(msgspec.json.encode(example), chance))
    return []


def use_calibration(folder: Path) -> None:
    """Read it."""
    read_calibration(folder / "calibration.json")


# -- what Tare notes for itself

_RUN = "20261123-191748-k3f9"


def owner(folder: Path, chance: Random) -> list[str]:
    """Write the owner file of a run, live and in its work folder, damaged, under right and odd names."""
    facts = {
        "run": _RUN, "pid": 12, "start_ticks": 34, "boot": "b", "workdir": f"/var/tmp/tare-{_RUN}",
        "cgroups": [f"/sys/fs/cgroup/tare-{_RUN}"], "engines": ["/run/docker.sock"],
    }  # fmt: skip
    text = json_text(json.dumps(facts).encode(), chance)
    for home, name in ((folder / "live", f"{_RUN}.json"), (folder / f"tare-{_RUN}", OWNER_FILE)):
        home.mkdir(mode=0o700)
        if chance.random() < 0.1:
            os.mkfifo(home / name)
        elif chance.random() < 0.1:
            (home / name).symlink_to("/etc/hostname")
        else:
            (home / name).write_bytes(text)
            (home / name).chmod(0o600)
    return []


def use_owner(folder: Path) -> None:
    """Read both."""
    load_live(folder / "live" / f"{_RUN}.json")
    load_from_workdir(folder / f"tare-{_RUN}")


def cache(folder: Path, chance: Random) -> list[str]:
    """Make an entry of the cache, and damage its files; also the estimates of earlier runs."""
    store = Cache(folder / "cache")

    def build(content: Path) -> dict[str, object]:
        (content / "file").write_bytes(b"content")
        (content / "link").symlink_to("file")
        return {"a": 1}

    place = store.entry("kind", "key", build).path.parent
    files = [path for path in sorted(place.iterdir()) if path.is_file()]
    chosen = chance.choice(files)
    data = chosen.read_bytes()
    head, newline, body = data.partition(b"\n")
    if newline and chance.random() < 0.7:
        body = json_text(body, chance)
        data = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    else:
        data = json_text(data, chance) if head[:1] == b"{" else damaged(data, chance)
    chosen.chmod(0o600)
    chosen.write_bytes(data)
    timings_file(folder / "cache").write_bytes(json_text(b'{"null bare": 0.01, "disk qemu": 3.5}', chance))
    return []


def use_cache(folder: Path) -> None:
    """Find the entry, build it again if need be, sweep."""
    store = Cache(folder / "cache")
    store.find("kind", "key")
    store.entry("kind", "key", lambda content: {"made": str(content)})
    read_numbers(timings_file(folder / "cache"))
    store.sweep()
