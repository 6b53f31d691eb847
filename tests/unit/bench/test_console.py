"""Output is clean, and readers that leave and disks that are full change no exit code but success."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.paths import ROOT
from tare.__main__ import main as start
from tare.bench import __main__ as main_module
from tare.bench.console import Guarded, guarded, steer
from tare.bench.errors import Exit
from tare.results.said import say
from tare.runners.errors import TareError, UsageError


def tare(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "tare", *words], stderr=subprocess.PIPE, text=True, check=False, **more
    )


def test_what_is_printed_is_clean(capsys):
    with guarded():
        print("\x1b[31mred")
        print("\x1b]0;title", file=sys.stderr)
        steer(sys.stdout, "\x1b[K")
    out, err = capsys.readouterr()
    assert out == "\\x1b[31mred\n\x1b[K"
    assert err == "\\x1b]0;title\n"


def test_the_streams_are_put_back():
    def fail():
        raise KeyError

    before = sys.stdout, sys.stderr
    with pytest.raises(KeyError), guarded():
        fail()
    assert (sys.stdout, sys.stderr) == before


def test_closed_streams_take_everything():
    guard = Guarded(None)
    guard.write("x")
    guard.flush()
    assert not guard.isatty()
    assert guard.failure is None


def test_closed_descriptors_are_taken_before_files_and_pipes_get_their_numbers():
    program = (
        "import os, sys; from tare.bench.console import occupy_closed_descriptors as occupy; os.closerange(0, 3); occupy(); "
        "numbers = os.pipe(); os._exit(0 if min(numbers) > 2 and all(map(os.get_inheritable, range(3))) else 1)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class Slow:
    """A module that is interrupted while it is being imported."""

    def __getattr__(self, name):
        raise KeyboardInterrupt


def test_an_interrupt_before_the_command_line_is_there_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tare.bench.__main__", Slow())
    assert start() == Exit.INTERRUPTED
    assert capsys.readouterr().err == "tare: interrupted\n"


def test_nothing_is_imported_before_interrupts_are_looked_for():
    """Python's own modules aside, which it imports itself before it runs anything."""
    code = "import sys; before = set(sys.modules); import tare.__main__; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["__future__", "tare", "tare.__main__"]


def test_the_installed_program_starts_there():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert declared["project"]["scripts"] == {"tare": "tare.__main__:main"}


def test_a_reader_that_leaves_changes_no_exit_code(monkeypatch):
    code = "import sys; from tare.bench.console import guarded\nwith guarded():\n print('x' * 200000); print('y')\nsys.exit(1)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this host has no /dev/full")
def test_output_that_cannot_be_written_is_no_success():
    with Path("/dev/full").open("w") as full:
        done = tare("--version", stdout=full)
    assert done.returncode == Exit.ENVIRONMENT
    assert done.stderr == "tare: cannot write to standard output: No space left on device\n"


def test_closed_output_is_no_crash():
    done = tare("--version", stdout=None, preexec_fn=lambda: os.close(1))
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


def test_ascii_output_shows_every_word():
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = tare("run", "--runners", "b\u00e4re", stdout=subprocess.PIPE, env=environ)
    assert done.returncode == Exit.USAGE
    assert "did you mean bare?" in done.stderr
    assert done.stderr.isascii()


class Bomb:
    """A command that fails as no command should."""

    @staticmethod
    def options(_parser):
        pass

    @staticmethod
    def run(_arguments):
        raise ZeroDivisionError("ratio of \x1b nothing")


def test_an_unforeseen_error_is_a_sentence_and_a_report(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TARE_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.import_module", lambda _name: Bomb)
    assert main_module.main(["plan"]) == Exit.CRASHED
    said = capsys.readouterr().err
    (report,) = (tmp_path / "crashes").iterdir()
    assert str(report) in said
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert "ZeroDivisionError: ratio of" in report.read_text()
    assert "command: tare plan" in report.read_text()


def test_a_report_that_cannot_be_kept_is_said(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    monkeypatch.setattr("importlib.import_module", lambda _name: Bomb)
    assert main_module.main(["plan"]) == 70
    assert "no report of it could be written" in capsys.readouterr().err


def test_foreseen_errors_keep_their_codes(monkeypatch, capsys):
    monkeypatch.setattr(Bomb, "run", staticmethod(lambda _a: (_ for _ in ()).throw(TareError("no KVM"))))
    monkeypatch.setattr("importlib.import_module", lambda _name: Bomb)
    assert main_module.main(["plan"]) == Exit.ENVIRONMENT
    assert capsys.readouterr().err == "tare: no KVM\n"


def test_an_error_speaks_the_language_that_the_command_asks_for(monkeypatch, capsys):
    def refuse(_words):
        raise UsageError(say("runner.unknown", "{name!r} {wrong}", name="x", wrong="y"))

    monkeypatch.delenv("TARE_LANG", raising=False)
    monkeypatch.setattr(main_module, "_parse", refuse)
    wanted = {
        ("--lang", "ko"): True,
        ("--lang=ko",): True,
        ("--no-such", "--lang", "ko"): True,
        ("--lang", "en"): False,
        ("--lang",): False,
        (): False,
        ("--", "--lang", "ko"): False,
        ("--label", "note=--lang ko"): False,
    }
    for words, korean in wanted.items():
        assert main_module.main(["plan", *words]) == Exit.USAGE
        assert ("러너 'x'는 없음" in capsys.readouterr().err) is korean
