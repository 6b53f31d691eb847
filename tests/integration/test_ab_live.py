"""``tare ab`` on this host, through the real campaign."""

import json
import os
import shutil
import subprocess

import pytest

from support.image_making import docker_archive, tar
from tare.bench.__main__ import main
from tare.results.storage.load import load_run
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration


def test_a_command_ten_times_as_long_is_a_regression(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["ab", "--base", "sleep 0.01", "--head", "sleep 0.1", "--blocks", "12", "--no-report", "--json"]
    assert main([*words, "--runners", "bare"]) == 1
    found = json.loads(capsys.readouterr().out)
    (judged,) = [c for c in found["comparisons"] if c["primary"]]
    assert judged["verdict"] == "worse"
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    trials = list(load_run(folder).trials())
    assert {t.workload for t in trials} == {"base", "head"}
    assert all(t.outcome == "ok" for t in trials)
    # Interleaved: each block holds both.
    assert all(
        {t.workload for t in trials if t.block == b and not t.warmup} == {"base", "head"} for b in range(6)
    )


def test_two_binaries_of_a_runtime(tmp_path, monkeypatch, capsys):
    runc = shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin")
    if runc is None or os.getuid() != 0:
        pytest.skip("needs runc, and root to run it as root does")
    slow = tmp_path / "runc-slow"
    slow.write_text(f'#!/bin/sh\nsleep 0.3\nexec {runc} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    words = ["ab", "--runners", "runc", "--blocks", "12", "--no-report", "--json"]
    words += ["--base-set", f"run.tools=runc={runc}", "--head-set", f"run.tools=runc={slow}"]
    assert main(words) == 1
    found = json.loads(capsys.readouterr().out)
    (judged,) = [c for c in found["comparisons"] if c["primary"]]
    assert (judged["verdict"], judged["runner"], judged["base"]) == ("worse", "runc@head", "runc@base")


def test_two_images(tmp_path, monkeypatch, capsys):
    shell = Provision(default_cache()).tool("busybox").path.read_bytes()
    for name, seconds in (("old", "0.02"), ("new", "0.2")):
        work = f"#!/bin/busybox sh\n/bin/busybox sleep {seconds}\n".encode()
        docker_archive(tmp_path / f"{name}.tar", [tar(("bin/busybox", shell), ("bin/work", work))])
    monkeypatch.chdir(tmp_path)
    words = ["ab", "--runners", "namespaces", "--blocks", "12", "--no-report", "--json"]
    words += ["--base-set", "run.image=old.tar", "--head-set", "run.image=new.tar", "--", "/bin/work"]
    assert main(words) == 1
    found = json.loads(capsys.readouterr().out)
    (judged,) = [c for c in found["comparisons"] if c["metric"] == "command.seconds"]
    assert (judged["verdict"], judged["runner"], judged["base"]) == (
        "worse",
        "namespaces@head",
        "namespaces@base",
    )
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    images = load_run(folder).manifest.variant_images
    assert images["namespaces@base"]["key"] != images["namespaces@head"]["key"]


@pytest.mark.slow
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static and stripped"])
def test_a_third_of_a_percent_is_found_by_counting(tmp_path, monkeypatch, capsys, static):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source = tmp_path / "spin.c"
    source.write_text(
        "#include <stdlib.h>\nint main(int c, char **v)\n"
        "{ volatile long s = 0; for (long i = 0; i < atol(v[c - 1]); i++) s += i; return 0; }\n"
    )
    program = tmp_path / "spin"
    options = ["-static", "-s"] if static else []
    subprocess.run([compiler, "-O1", *options, "-o", program, source], check=True)
    monkeypatch.chdir(tmp_path)
    words = ["ab", "--count", "--blocks", "4", "--no-report", "--json", "--base", f"{program} 100000"]
    code = main([*words, "--head", f"{program} 100400"])
    found = json.loads(capsys.readouterr().out)["counts"]
    if found["verdict"] == "refused":
        pytest.skip(found["because"])
    assert (code, found["verdict"]) == (1, "worse")
    assert found["low"] == found["high"] == pytest.approx(1.0037, abs=0.0005)
    main([*words, "--head", f"{program} 100010"])
    assert json.loads(capsys.readouterr().out)["counts"]["verdict"] == "same"


@pytest.mark.slow
def test_the_children_of_a_script_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    base, head = (f"/bin/sh -c 'for i in {children}; do /bin/sh -c :; done'" for children in ("1 2", "1 2 3"))
    main(["ab", "--count", "--blocks", "2", "--no-report", "--json", "--base", base, "--head", head])
    found = json.loads(capsys.readouterr().out)["counts"]
    if found["verdict"] == "refused":
        pytest.skip(found["because"])
    assert found["verdict"] == "worse"
    assert found["low"] == pytest.approx(4 / 3, abs=0.1)
