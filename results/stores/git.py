"""Keep a store in a branch of a git repository. Commits are made by plumbing: no checkout and no index is touched.

Where the address names a remote, its branch is the truth and the local repository a place to work in. A commit is put on
top of the branch only if the branch is where it was when the commit was made; else it is made again on what is there now.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.results.stores.model import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ATTEMPTS = 40
_QUIET = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.fsmonitor=false")
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
"""Variables by which git tells its hooks where they are; the store's repository is found by its folder."""
_NOBODY = {
    "GIT_AUTHOR_NAME": "tare", "GIT_AUTHOR_EMAIL": "tare@localhost",
    "GIT_COMMITTER_NAME": "tare", "GIT_COMMITTER_EMAIL": "tare@localhost",
}  # fmt: skip


class GitFiles:
    """Files of a branch's newest commit."""

    compresses = True
    keeps_columns = False

    def __init__(self, branch: str, remote: str = "", folder: Path | None = None) -> None:
        """Find the repository.

        Args:
            branch: Name of the branch; it is made by the first push.
            remote: Name or address of the remote; empty: the branch is in this repository alone.
            folder: Folder in the repository; ``None``: the working directory.

        Raises:
            StoreError: there is no git, no repository, or no branch can have this name.
        """
        self._folder = folder or Path.cwd()
        near = self._folder / remote
        self.branch = branch
        self.remote = str(near.absolute()) if remote and near.is_dir() else remote
        self._ref = f"refs/heads/{branch}"
        try:
            self._git("check-ref-format", self._ref)
        except StoreError as error:
            if isinstance(error.__cause__, OSError):  # there is no git
                raise
            raise StoreError(say(
                "store.bad_branch", "{branch!r} cannot be the name of a git branch: give git:BRANCH.",
                branch=branch,
            )) from None  # fmt: skip
        self._folder = self._top()
        slug = re.sub(r"[^\w-]+", "-", remote)
        # A remote's branch is mirrored outside of what users see as branches.
        self._mirror = f"refs/tare/{slug}/{branch}" if remote else self._ref

    def _top(self) -> Path:
        """Find the folder that git's paths, and those of remotes in its configuration, are relative to."""
        home = self._git("rev-parse", "--absolute-git-dir").decode("utf-8", "surrogateescape").rstrip("\n")
        try:
            return Path(
                self._git("rev-parse", "--show-toplevel").decode("utf-8", "surrogateescape").rstrip("\n")
            )
        except StoreError:  # a repository without a checkout
            return Path(home)

    @property
    def address(self) -> str:
        """Return ``git:BRANCH`` or ``git:BRANCH@REMOTE``."""
        return f"git:{self.branch}@{self.remote}" if self.remote else f"git:{self.branch}"

    def location(self, name: str) -> str:
        """Refuse: what is in a commit has no path.

        Raises:
            StoreError: always.
        """
        raise StoreError(
            say("store.no_columns", "{address} keeps no columns: {name}", address=self.address, name=name)
        )

    def _git(self, *words: str, given: bytes | None = None, more: Mapping[str, str] | None = None) -> bytes:
        environ = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
        command = ["git", *_QUIET, "-C", str(self._folder), *words]
        try:
            done = subprocess.run(
                command,
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                env={**environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(more or {})},
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise StoreError(say(
                "store.no_git", "git cannot be run ({strerror}): install it, or keep the store in a folder.",
                strerror=error.strerror,
            )) from error  # fmt: skip
        if done.returncode:
            said = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines()]
            told = " ".join([line for line in said if line and not line.startswith("hint:")][:4])
            raise StoreError(say(
                "store.git_failed", "{address}: git {words} failed: {told}",
                address=self.address, words=words[0], told=told or done.returncode,
            ))  # fmt: skip
        return done.stdout

    def _tip(self) -> str:
        """Return the branch's newest commit, fetched if it is a remote's; empty if there is no branch yet."""
        if self.remote:
            listed = self._git("ls-remote", self.remote, self._ref).decode().split()
            if not listed:
                return ""
            if self._local_tip() != listed[0]:
                self._git("fetch", "--quiet", "--no-tags", self.remote, f"+{self._ref}:{self._mirror}")
        return self._local_tip()

    def _local_tip(self) -> str:
        listed = self._git("for-each-ref", "--format=%(objectname)", self._mirror).decode().split()
        return listed[0] if listed else ""

    def names(self, under: str) -> list[str]:
        """List the files below a folder in the newest commit."""
        tip = self._tip()
        if not tip:
            return []
        listed = self._git("ls-tree", "-r", "-z", "--name-only", tip, "--", f"{under}/")
        return [name for name in listed.decode("utf-8", "replace").split("\0") if name]

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Read files of the commit that :meth:`names` saw last, all by one process."""
        tip = self._local_tip()
        if not tip or not names:
            return {}
        asked = "".join(f"{tip}:{name}\n" for name in names).encode()
        answer = self._git("cat-file", "--batch", given=asked)
        found, at = {}, 0
        for name in names:
            end = answer.index(b"\n", at)
            head = answer[at:end].split(b" ")
            at = end + 1
            if head[-1] != b"missing":
                size = int(head[-1])
                found[name] = answer[at : at + size]
                at += size + 1
        return found

    def fetch(self, name: str, target: Path) -> None:
        """Write a file of the commit that :meth:`names` saw last."""
        command = ["git", *_QUIET, "-C", str(self._folder), "cat-file", "blob", f"{self._local_tip()}:{name}"]
        with target.open("wb") as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise FileNotFoundError(name)

    def change(self, add: Sequence[tuple[str, Path | bytes]], remove: Sequence[str], *, why: str) -> None:
        """Make one commit of all additions and removals, and put it on top of the branch.

        A commit that only removes has no parent: only so does a branch become smaller.

        Raises:
            StoreError: the branch is checked out somewhere, or git refuses.
        """
        if not self.remote:
            self._check_not_checked_out()
        blobs = {name: self._blob(content) for name, content in add}
        refusals = 0
        for attempt in range(_ATTEMPTS):
            tip = self._tip()
            commit = self._commit(tip, blobs, remove, why)
            if not commit:
                return
            try:
                self._advance(tip, commit)
            except StoreError:
                # Somebody else was faster: begin again on theirs. Where the branch has not moved, it is something else.
                refusals = refusals + 1 if self._tip() == tip else 0
                if refusals > 3 or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.05 * (1 + attempt)))  # noqa: S311 - spreads competitors
            else:
                return

    def _blob(self, content: Path | bytes) -> str:
        if isinstance(content, bytes):
            written = self._git("hash-object", "-w", "--no-filters", "--stdin", given=content)
        else:
            written = self._git("hash-object", "-w", "--no-filters", "--", str(content.absolute()))
        return written.decode().strip()

    def _commit(self, tip: str, blobs: Mapping[str, str], remove: Sequence[str], why: str) -> str:
        """Make a commit on top of ``tip``; empty if it would change nothing."""
        with scratch_folder("git") as folder:
            index = {"GIT_INDEX_FILE": str(folder / "index")}
            self._git("read-tree", *([tip] if tip else ["--empty"]), more=index)
            there = set(self._git("ls-files", "-z", more=index).decode("utf-8", "replace").split("\0"))
            gone = [name for name in remove if name in there]
            new = [(name, blob) for name, blob in blobs.items() if name not in there]
            if not gone and not new:
                return ""
            lines = [f"100644 {blob}\t{name}" for name, blob in new]
            lines += [f"0 {'0' * (len(tip) or 40)}\t{name}" for name in gone]
            self._git(
                "update-index", "-z", "--index-info", given="\0".join([*lines, ""]).encode(), more=index
            )
            tree = self._git("write-tree", more=index).decode().strip()
        parent = ["-p", tip] if tip and new else []
        return self._git("commit-tree", tree, *parent, "-m", why, more=self._identity()).decode().strip()

    def _identity(self) -> Mapping[str, str]:
        """Return variables that name an author where the user's configuration names none."""
        try:
            self._git("var", "GIT_COMMITTER_IDENT")
        except StoreError:
            return _NOBODY
        return {}

    def _advance(self, tip: str, commit: str) -> None:
        """Put the branch on a commit if it still is on ``tip``."""
        if self.remote:
            lease = f"--force-with-lease={self._ref}:{tip}"
            self._git("push", "--quiet", "--no-verify", lease, self.remote, f"{commit}:{self._ref}")
            self._git("update-ref", self._mirror, commit)
        else:
            self._git("update-ref", self._ref, commit, tip or "0" * len(commit))

    def _check_not_checked_out(self) -> None:
        used = self._git("worktree", "list", "--porcelain").decode("utf-8", "replace").splitlines()
        if f"branch {self._ref}" in used:
            raise StoreError(say(
                "store.checked_out",
                "the branch {branch} is checked out, and a store may not change under somebody's feet: give a branch of its own.",
                branch=self.branch,
            ))  # fmt: skip

    def older_than_a_day(self, names: Iterable[str]) -> list[str]:
        """Select nothing: a commit has no half of a push."""
        del names
        return []
