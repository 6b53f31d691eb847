"""The project's tasks. ``python3 noxfile.py -s SESSION`` needs Python alone: it fetches nox by itself.

Where nox is installed already, ``nox -s SESSION`` is the same.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

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
        done = subprocess.run([*pip, "-c", str(CONSTRAINTS), "nox"], env=environ, check=False)
        if done.returncode:
            sys.exit(
                "noxfile: nox could not be installed, see above. Remedy: check the network, or `pipx install nox`."
            )
        (home / "complete").touch()
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


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


def install(session: nox.Session, *groups: str) -> None:
    """Install the project as it is locked, unless that has been done for these very files."""
    files = (HERE / "pyproject.toml", CONSTRAINTS)
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    stamp = Path(session.virtualenv.location) / "tare-installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    session.install("--quiet", "-c", str(CONSTRAINTS), "-e", ".", *_requirements(groups))
    stamp.write_text(wanted)


def _requirements(groups: tuple[str, ...]) -> list[str]:
    return [requirement for group in groups for requirement in nox.project.dependency_groups(PROJECT, group)]


PROJECT = nox.project.load_toml("pyproject.toml")


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
def tests(session: nox.Session) -> None:
    """All tests, or those named behind ``--``. What needs root rights or KVM skips with the reason."""
    install(session, "tests")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Check the container tools that take long to fetch or to start, for real."""
    install(session, "tests")
    session.run("python", "-m", "pytest", "-m", "engines", "tests/integration", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    install(session, "tests", "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")


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
def lock(session: nox.Session) -> None:
    """Write ``constraints.txt`` anew from the ranges in ``pyproject.toml``."""
    session.install("uv>=0.5")
    session.run(
        *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--no-emit-index-url", "--no-annotate"),
        *("--group", "tests", "--group", "lint", "--custom-compile-command", "nox -s lock"),
        *("--output-file", "constraints.txt", "--upgrade", "pyproject.toml"),
    )  # fmt: skip


if __name__ == "__main__":
    nox.main()
