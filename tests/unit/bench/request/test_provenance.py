import subprocess

import pytest

from support.store_making import git, repository
from tare.bench.request import provenance as module
from tare.bench.request.provenance import asked_ahead, provenance, read_labels
from tare.results.record import Provenance
from tare.runners.errors import UsageError


@pytest.fixture
def checkout(tmp_path):
    return repository(tmp_path)


def test_commit_branch_and_changes_are_recorded(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "untracked").write_text("results of an earlier run")
    clean = provenance(("tare", "run"), {"k": "v"}, checkout, {})
    assert clean == Provenance(
        commit=head, branch="trunk", dirty=False, argv=("tare", "run"), labels={"k": "v"}
    )
    (checkout / "file").write_text("b")
    assert provenance((), {}, checkout, {}).dirty is True


def test_git_is_asked_ahead_of_when_its_answer_is_needed(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    answer = asked_ahead(("tare", "run"), {"k": "v"})
    found = answer()
    assert (found.commit, found.argv) == (git(checkout, "rev-parse", "HEAD"), ("tare", "run"))


def test_a_detached_head_has_the_branch_of_the_ci_service(checkout):
    git(checkout, "checkout", "-q", "--detach")
    assert provenance((), {}, checkout, {}).branch == ""
    assert (
        provenance((), {}, checkout, {"GITHUB_HEAD_REF": "", "GITHUB_REF_NAME": "feature"}).branch
        == "feature"
    )


def test_without_git_a_repository_or_a_commit_nothing_is_said(tmp_path, monkeypatch):
    assert provenance(("tare",), {}, tmp_path, {"GITHUB_REF_NAME": "main"}) == Provenance(argv=("tare",))
    git(tmp_path, "init", "-q")
    assert provenance((), {}, tmp_path, {}) == Provenance()
    monkeypatch.setenv("PATH", "")
    assert provenance((), {}, tmp_path, {}) == Provenance()


def test_a_git_that_hangs_holds_up_no_run(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_STATUS", ("sleep", "9"))
    monkeypatch.setattr(module, "_SECONDS", 0.05)
    assert provenance((), {}, tmp_path, {}) == Provenance()


def test_git_is_asked_once_and_writes_nothing(checkout, monkeypatch):
    calls = []
    real = subprocess.run
    monkeypatch.setattr("subprocess.run", lambda *a, **k: (calls.append(a), real(*a, **k))[1])
    before = (checkout / ".git" / "index").stat().st_mtime_ns
    (checkout / "file").touch()
    provenance((), {}, checkout, {})
    assert len(calls) == 1
    assert (checkout / ".git" / "index").stat().st_mtime_ns == before


def test_names_that_are_not_utf_8_are_readable():
    assert provenance(("tare", "run", "--", "a\udcff"), {}, None, {}).argv[-1] == "a\\xff"


def test_labels_are_keys_and_values():
    assert read_labels(["a=1", "b/c=x=y, z", "a=2"]) == {"a": "2", "b/c": "x=y, z"}


@pytest.mark.parametrize("text", ["a", "=b", " =b", "a b=c", "a=" + "x" * 201, "a=\0", "é=1"])
def test_what_is_no_label_is_refused(text):
    with pytest.raises(UsageError, match="give KEY=VALUE, such as machine=rack-7"):
        read_labels([text])
