"""The real image: built twice the same, and every program runs in it, unpacked and as the root."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tare.runners.errors import Missing
from tare.runners.images.build import build_image
from tare.runners.images.ext4 import build_ext4, empty_ext4
from tare.runners.images.image import COMMAND, Image
from tare.runners.images.initramfs import build_initramfs
from tare.runners.images.recipe import ImageContent
from tare.runners.provision.cache import default_cache, sha256_of
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration

PROGRAMS = ("fio", "sysbench", "stress-ng", "python3", "busybox")


@pytest.fixture(scope="module")
def provision() -> Provision:
    made = Provision(default_cache())
    for name in PROGRAMS:
        try:
            made.tool(name)
        except Missing as error:
            pytest.skip(f"{name} cannot be had: {error.reason}")
    return made


@pytest.fixture(scope="module")
def image(provision) -> Image:
    return build_image(ImageContent(programs=PROGRAMS), provision, provision.cache)


def in_tree(image: Image, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(image.tree)
    return subprocess.run(
        image.argv(root, program, *arguments),
        env=image.environ(root, program),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_locale_costs_a_program_on_bare_metal_no_more_than_its_files(image):
    """The host's list of character sets, parsed by each program, was 40 page faults and 1.3 ms that no container had."""
    root = str(image.tree)
    argv, environ = image.argv(root, "python3", "-S", "-c", ""), image.environ(root, "python3")

    def faults(**more: str) -> int:
        process = os.posix_spawn(argv[0], argv, environ | more)
        _, status, usage = os.wait4(process, 0)
        assert status == 0
        return usage.ru_minflt

    with_it, without = (min(faults(LC_ALL=name) for _ in range(3)) for name in (environ["LC_ALL"], "C"))
    assert with_it - without < 30


def as_root(image: Image, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a chroot, in a user namespace of its own if need be."""
    enter = ["chroot"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "chroot"]
    probe = subprocess.run(
        [*enter, str(image.tree), "/usr/bin/busybox", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"no chroot for this user here: {probe.stderr.strip()}")
    environ = [f"{name}={value}" for name, value in image.environ("/", program).items()]
    line = [
        *enter,
        str(image.tree),
        "/usr/bin/busybox",
        "env",
        "-i",
        *environ,
        *image.argv("/", program, *arguments),
    ]
    return subprocess.run(line, capture_output=True, text=True, check=False)


WHERE = pytest.mark.parametrize("run", [in_tree, as_root])

USES = [
    ("fio", "--version"),
    ("sysbench", "cpu", "--time=0", "--events=10", "run"),
    ("stress-ng", "--version"),
    ("busybox", "sh", "-c", "echo $((6*7))"),
    (
        "python3",
        "-I",
        "-B",
        "-c",
        "import ctypes, json, sqlite3, ssl, zlib, sys; print(json.__cached__, sys.path)",
    ),
    ("python3", "-c", "import os; print(os.path.realpath(os.__file__))"),
]


@WHERE
@pytest.mark.parametrize("use", USES, ids=lambda use: use[0])
def test_programs_run(image, run, use):
    done = run(image, *use)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    if use[0] == "python3":
        root = "" if run is as_root else str(image.tree)
        assert f"{root}/usr/" in done.stdout or str(image.tree) in done.stdout


def test_programs_map_only_files_of_the_image(image):
    code = "print(open('/proc/self/maps').read())"
    done = in_tree(image, "python3", "-I", "-c", f"import ssl, sqlite3, ctypes; {code}")
    files = {line.split(maxsplit=5)[5] for line in done.stdout.splitlines() if "/" in line}
    assert len(files) > 5
    foreign = [path for path in files if not path.startswith(f"{image.tree}/")]
    # glibc maps its cache of character sets wherever it is; the image has a copy, so that all places do so.
    assert [path for path in foreign if not path.endswith("/gconv-modules.cache")] == []
    assert all((image.tree / path.lstrip("/")).read_bytes() == Path(path).read_bytes() for path in foreign)


def test_the_same_inputs_make_the_same_image(image, provision, tmp_path):
    again = build_image(ImageContent(programs=PROGRAMS), provision, tmp_path)
    assert again.key == image.key
    assert [layer.digest for layer in again.layers] == [layer.digest for layer in image.layers]
    assert again.libraries == image.libraries
    assert again.record()["layers"] == image.record()["layers"]


def test_hashes_are_of_the_files_that_run(image):
    for program in image.programs.values():
        assert sha256_of(Path(f"{image.tree}{program.path}").resolve()) == program.sha256
    for path, digest in list(image.libraries.items())[:20]:
        assert sha256_of(image.tree / path.lstrip("/")) == digest


def test_a_damaged_tree_is_made_again(provision, tmp_path):
    image = build_image(ImageContent(programs=["busybox"]), provision, tmp_path)
    (image.tree / "usr/bin/new").touch()
    said = []
    again = build_image(ImageContent(programs=["busybox"]), provision, tmp_path, progress=said.append)
    assert again.tree == image.tree
    assert not (again.tree / "usr/bin/new").exists()
    assert any("damaged" in line for line in said)


@WHERE
def test_the_hosts_python_is_carried(provision, run):
    """With all that it maps from the image, it does not matter what the host has."""
    code = (
        "import decimal, json; print(sum(range(10**6))); print(open('/proc/self/maps').read() if %r else '')"
    )
    image = build_image(
        ImageContent(command=["python3", "-c", code % (run is in_tree)]), provision, provision.cache
    )
    done = run(image, COMMAND)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("499999500000\n")
    files = {line.split(maxsplit=5)[5] for line in done.stdout.splitlines() if " /" in line}
    files -= {path for path in files if path.endswith("/gconv-modules.cache")}
    assert [path for path in files if not path.startswith(f"{image.tree}/")] == []


@WHERE
def test_a_python_script_with_a_package_and_a_neighbour(provision, run, tmp_path):
    (tmp_path / "near.py").write_text("WORD = 'near'\n")
    script = tmp_path / "script.py"
    body = "import sys, near, jinja2\nprint(near.WORD, jinja2.Template('{{ 6*7 }}').render(), sys.argv[1])\n"
    script.write_text(f"#!{sys.executable}\n{body}")
    script.chmod(0o755)
    image = build_image(ImageContent(command=[str(script), "last"]), provision, provision.cache)
    done = run(image, COMMAND)
    assert done.stdout == "near 42 last\n", done.stderr


@WHERE
def test_a_shell_script_with_its_file(provision, run, tmp_path):
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("no bash on this host")
    (tmp_path / "data").write_text("content\n")
    script = tmp_path / "script"
    script.write_text('#!/usr/bin/env bash\necho "$BASH_VERSION" >&2\nread -r line <"$1"; echo "$line"\n')
    script.chmod(0o755)
    image = build_image(
        ImageContent(command=[str(script), str(tmp_path / "data")]), provision, provision.cache
    )
    assert image.carried == (str(tmp_path / "data"),)
    done = run(image, COMMAND)
    assert done.stdout == "content\n", done.stderr
    assert done.stderr.strip()


def test_guests_get_the_same_disk_each_time(image, provision, tmp_path):
    mke2fs = provision.tool("mke2fs")
    # mke2fs copies all times of the files: others link those of the cache meanwhile, and the first reading is noted.
    tree = shutil.copytree(image.tree, tmp_path / "tree", symlinks=True)
    _, *disks = (build_ext4(tree, tmp_path / name, mke2fs) for name in ("first", "a", "b"))
    assert sha256_of(disks[0]) == sha256_of(disks[1])
    scratch = empty_ext4(tmp_path / "scratch", 256 << 20, mke2fs)
    assert scratch.stat().st_size == 256 << 20
    assert scratch.stat().st_blocks * 512 < 64 << 20
    checker = shutil.which("e2fsck", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    for disk in (disks[0], scratch) if checker else ():
        done = subprocess.run([checker, "-fn", disk], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_initramfs_of_a_real_image(image, tmp_path):
    archive = build_initramfs(tmp_path / "initramfs", image.agent)
    assert image.agent.read_bytes() in archive.read_bytes()
