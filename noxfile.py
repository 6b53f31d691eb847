"""The project's tasks. ``python3 noxfile.py -s SESSION`` needs Python alone: it fetches nox by itself.

Where nox is installed already, ``nox -s SESSION`` is the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE / "constraints.txt"


def bootstrap() -> None:
    """Make a small environment with nox in it and go on there."""
    home = HERE / ".nox" / "bootstrap"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        print("noxfile: setting up nox in .nox/bootstrap", file=sys.stderr)
        venv.create(home, with_pip=False, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        environ = dict(os.environ)
        if subprocess.run([python, "-m", "ensurepip"], capture_output=True, check=False).returncode:
            environ["PYTHONPATH"] = str(_pip_from_the_distribution(home))
        done = None
        if not pip_has_settings():
            # With uv, the sessions' packages are installed in a seventh of pip's time; where it has no wheel, pip does it.
            with_uv = [*pip, "-c", str(CONSTRAINTS), "--only-binary=uv", "nox[uv]"]
            done = subprocess.run(with_uv, env=environ, capture_output=True, check=False)
        if done is None or done.returncode:
            done = subprocess.run([*pip, "-c", str(CONSTRAINTS), "nox"], env=environ, check=False)
        if done.returncode:
            sys.exit(
                "noxfile: nox could not be installed, see above. Remedy: check the network, or `pipx install nox`."
            )
        (home / "complete").touch()
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


def pip_has_settings() -> bool:
    """Tell whether pip is told of an index, a folder or certificates. uv reads none of pip's settings, so pip installs there."""
    home = Path(os.environ.get("HOME") or "/")
    files = (
        os.environ.get("PIP_CONFIG_FILE") or "/etc/pip.conf",
        "/etc/xdg/pip/pip.conf",
        home / ".pip" / "pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf",
    )
    names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CERT")
    return any(Path(file).is_file() for file in files) or any(os.environ.get(name) for name in names)


def _pip_from_the_distribution(home: Path) -> Path:
    """Debian splits pip out of Python; its wheel can be had without root rights and run from where it lies."""
    try:
        subprocess.run(["apt-get", "download", "--quiet", "python3-pip-whl"], cwd=home, check=True)
        (package,) = home.glob("python3-pip-whl*.deb")
        subprocess.run(["dpkg-deb", "-x", package, home / "pip"], check=True)
        (wheel,) = (home / "pip").rglob("pip-*.whl")
    except (OSError, ValueError, subprocess.CalledProcessError):
        sys.exit("noxfile: this Python has no pip. Remedy: `apt install python3-venv`, then run this again.")
    return wheel


try:
    import nox
except ImportError:
    if __name__ != "__main__":
        raise
    bootstrap()

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True
# uv, where there is one, installs in a fraction of pip's time; `--default-venv-backend uv` takes it in any case. A session
# that needs pip in its environment says so.
nox.options.default_venv_backend = "virtualenv" if pip_has_settings() else "uv|virtualenv"


def install(session: nox.Session, *groups: str) -> None:
    """Install the project as it is locked, unless that has been done for these very files.

    Nothing is compiled beforehand. Python keeps what it compiles on import, and most modules of pandas and matplotlib are
    never imported: compiling them all is two thirds of the time that an installation takes.
    """
    files = (HERE / "pyproject.toml", CONSTRAINTS)
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    stamp = Path(session.virtualenv.location) / "tare-installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    options = ["--quiet", "-c", str(CONSTRAINTS), "--no-compile"]
    with building(session):
        session.install(*options, "-e", ".", *_requirements(groups))
    stamp.write_text(wanted)


@contextlib.contextmanager
def building(session: nox.Session) -> Iterator[None]:
    """Build this tree in one session at a time: setuptools leaves lists of its files in it, and reads them again."""
    with Path(session.virtualenv.location).with_name("building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _requirements(groups: tuple[str, ...]) -> list[str]:
    return [requirement for group in groups for requirement in nox.project.dependency_groups(PROJECT, group)]


def test(session: nox.Session, *words: str) -> None:
    """Run pytest. Its rewritten test modules are kept, whatever the caller's environment says: that halves a start."""
    session.run("python", "-m", "pytest", *words, env={"PYTHONDONTWRITEBYTECODE": None})


def named(words: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Add the default paths to pytest's options where these name none."""
    return [*words, *(() if any((HERE / word.partition("::")[0]).exists() for word in words) else paths)]


PROJECT = nox.project.load_toml("pyproject.toml")

UNIT = ("tests/unit", "tests/architecture")
LIVE = ("tests/integration", "tests/end_to_end")
"""They run one after the other: places and guests take the host's CPUs for themselves."""
AXE = "axe-core@4"
"""Checker of accessibility rules, fetched for tests only and no part of this repository."""
PARALLEL = ("-n", "logical", "--dist", "worksteal")


@nox.session
def bench(session: nox.Session) -> None:
    """The main job: measure, and end with the report's path. Options go behind ``--``: ``-- --quick``."""
    install(session)
    session.run(
        "python",
        "-m",
        "pytest",
        "-c",
        "bench/suite/pytest.ini",
        "--rootdir",
        ".",
        "bench/suite",
        *session.posargs,
    )


@nox.session
def tare(session: nox.Session) -> None:
    """The command line, for a clone that nothing is installed from: ``-- doctor --fix docker``, ``-- run …``.

    Nox fails where ``tare`` does not end with 0, and says with what.
    """
    install(session)
    session.run("tare", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that need nothing of the host, without the slow ones: the inner loop, half a minute."""
    install(session, "tests")
    test(session, *PARALLEL, "-m", "not slow and not engines and not kvm", *named(session.posargs, UNIT))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, or what is named behind ``--``. What needs root rights or KVM skips with the reason."""
    install(session, "tests")
    if session.posargs:
        test(session, *session.posargs)
        return
    test(session, *PARALLEL, *UNIT)
    test(session, *LIVE)


@nox.session
def integration(session: nox.Session) -> None:
    """Run the second half of ``tests``: what launches real places and guests."""
    install(session, "tests")
    test(session, *named(session.posargs, LIVE))


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the unit tests, the slow ones as well, with all examples, and fail below the floor of ``pyproject.toml``."""
    install(session, "tests")
    # `--cov` takes a value if one follows, so it stands last: before the folders it would take the first one for its source.
    test(session, *PARALLEL, "--hypothesis-profile=thorough", *named(session.posargs, UNIT), "--cov")


@nox.session
def browser(session: nox.Session) -> None:
    """Open reports in Chromium at three widths, light and dark, and check them with axe-core, which npm fetches."""
    install(session, "tests")
    if not shutil.which("npm"):
        session.error("npm is not on PATH; it fetches axe-core. Remedy: `apt-get install npm`.")
    folder = Path(session.create_tmp())
    session.run(
        "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), AXE, external=True
    )
    axe = folder / "node_modules" / "axe-core" / "axe.min.js"
    session.run(
        *("python", "-m", "pytest", "tests/integration/test_page_in_browser.py", *session.posargs),
        env={"TARE_AXE": str(axe), "PYTHONDONTWRITEBYTECODE": None},
    )


@nox.session
def picture(session: nox.Session) -> None:
    """Make README's picture, docs/images/report.png, from a run: ``-- RUN``, by default the latest."""
    install(session)
    session.run("python", "docs/picture.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutate ten thousand inputs of every kind that is read, and judge each; ``-- --seed S --only N`` repeats one."""
    install(session, "tests")
    session.run("python", "-m", "support.fuzzing", *session.posargs, env={"PYTHONPATH": str(HERE / "tests")})


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill sixty runs at random moments, and measure hostile jobs in contained places. Some forty minutes, as root."""
    install(session)
    session.run("python", "-m", "tare.bench.tools.chaos", *session.posargs)


@nox.session
def kvm(session: nox.Session) -> None:
    """Boot guests where that takes a minute of one CPU: under KVM that emulates kernel mode, and on a fleet's hosts. Reach a fleet by ssh."""
    install(session, "tests")
    files = ("test_qemu_true_kvm.py", "test_fleet_live.py", "test_fleet_by_ssh.py")
    test(session, "-m", "kvm", *(f"tests/integration/{file}" for file in files), *session.posargs)


@nox.session
def agreement(session: nox.Session) -> None:
    """Compare Redis, nginx and PostgreSQL on bare metal with their tools run by hand. Some five minutes, on a quiet host.

    ``-- workloads`` compares the other workloads, one metric each: some six minutes.
    """
    install(session)
    module, words = "tare.bench.tools.agreement", list(session.posargs)
    if words[:1] == ["workloads"]:
        module, words = f"{module}.workloads", words[1:]
    session.run("python", "-m", module, *words)


@nox.session
def engines(session: nox.Session) -> None:
    """Check the container tools that take long to fetch or to start, for real."""
    install(session, "tests")
    test(session, "-m", "engines", "tests/integration", *session.posargs)


def made_wheel(session: nox.Session) -> str:
    """Make the wheel of this tree and give its path."""
    folder = Path(session.create_tmp(), "wheel")
    with building(session):
        # What setuptools left there of an older tree would be in the wheel as well.
        for old in (folder, HERE / "build"):
            shutil.rmtree(old, ignore_errors=True)
        session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    (wheel,) = folder.glob("tarebench-*.whl")
    return str(wheel)


@nox.session(reuse_venv=False, venv_backend="virtualenv")  # the wheel is made by pip
def smoke(session: nox.Session) -> None:
    """Install the wheel alone, without extras, into an empty environment, and run every command of it.

    The wheel is made of this tree, or is the one named behind ``--``.
    """
    wheels = session.posargs or [made_wheel(session)]
    session.install("--quiet", "-c", str(CONSTRAINTS), *wheels)
    session.run("python", "-I", "-m", "pytest", "-c", "tests/smoke/pytest.ini", "tests/smoke")


@nox.session(reuse_venv=False, venv_backend="virtualenv")  # the wheel is made by pip
def image(session: nox.Session) -> None:
    """Build an OCI image of Tare itself, and run it by Podman where there is one. ``-- FILE`` keeps the archive."""
    session.install("--quiet", "-c", str(CONSTRAINTS), made_wheel(session))
    archive = Path(
        session.posargs[0] if session.posargs else Path(session.create_tmp(), "tare.tar")
    ).resolve()
    name = ("--name", "localhost/tare-own-image:test")
    with session.chdir(session.create_tmp()):
        session.run("python", "-I", "-m", "tare.bench.tools.own_image", str(archive), *name)
    session.run(
        *("python", "-I", "-m", "pytest", "-c", "tests/smoke/pytest.ini", "tests/smoke/own_image.py"),
        env={"OWN_IMAGE": str(archive)},
    )


@nox.session
def build(session: nox.Session) -> None:
    """Build the source archive, the wheel from it, and check both as an index would."""
    session.install("--quiet", "-c", str(CONSTRAINTS), *_requirements(("release",)))
    shutil.rmtree(HERE / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist", *session.posargs)
    made = [str(path) for path in sorted((HERE / "dist").iterdir())]
    session.run("twine", "check", "--strict", *made)
    session.run("check-wheel-contents", *(path for path in made if path.endswith(".whl")))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    install(session, "tests", "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    if (HERE / ".git").exists():
        session.run("pre-commit", "run", "--all-files", env={"SKIP": "ruff-check,ruff-format,mypy"})


@nox.session
def references(session: nox.Session) -> None:
    """Write docs/reference and the manual pages in man/ from the code. ``-- --check`` writes nothing."""
    install(session)
    session.run("python", "-m", "tare.bench.tools.references", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Build docs/ into a site in site/, and fail on a link that leads nowhere. ``-- serve`` shows it while it is written."""
    session.install("--quiet", "-c", str(CONSTRAINTS), *_requirements(("docs",)))
    session.run("zensical", *(session.posargs or ("build", "--strict", "--clean")))


@nox.session
def kubernetes(session: nox.Session) -> None:
    """Build Kubernetes, bring up a cluster of one node, and measure pods beside bare and containerd. As root."""
    install(session, "tests")
    session.run("python", "-m", "tare.bench.tools.kubernetes", *session.posargs)


@nox.session
def harness(session: nox.Session) -> None:
    """Measure the harness's own overhead: launches against C loops and other tools, start-up, memory."""
    install(session)
    session.run("python", "-m", "tare.bench.tools.harness", *session.posargs)


@nox.session
def guests(session: nox.Session) -> None:
    """Boot every kind of guest in turn and compare profiles and variants. Takes some ten minutes under TCG."""
    install(session)
    session.run("python", "-m", "tare.bench.tools.guest_profiles", *session.posargs)


@nox.session
def hyperfine(session: nox.Session) -> None:
    """Compare start-up times with hyperfine's on the same commands; see docs/hyperfine.py."""
    install(session)
    session.run("python", "docs/hyperfine.py", *session.posargs)


@nox.session
def large_runs(session: nox.Session) -> None:
    """Measure what judging large runs costs: 100,000 trials compared, 1,000,000 loaded and summarised."""
    install(session)
    session.run("python", "-m", "tare.bench.tools.large_runs", *session.posargs)


@nox.session
def large_store(session: nox.Session) -> None:
    """Measure what history and SQL over a large store cost: 1,000,000 trials, or ``-- --trials 100000000 --runs 1000``."""
    install(session, "tests")  # it has DuckDB
    session.run("python", "-m", "tare.bench.tools.large_store", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write ``constraints.txt`` anew from the ranges in ``pyproject.toml``."""
    session.install("uv>=0.5")
    session.run(
        *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--no-emit-index-url", "--no-annotate"),
        *("--all-extras", "--group", "tests", "--group", "lint", "--group", "release", "--group", "docs", "--custom-compile-command", "nox -s lock"),
        *("--output-file", "constraints.txt", "--upgrade", "pyproject.toml"),
    )  # fmt: skip


if __name__ == "__main__":
    nox.main()
