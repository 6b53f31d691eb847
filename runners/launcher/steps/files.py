"""Define the steps that make folders and write files."""

from __future__ import annotations

from tare.results.said import say
from tare.runners.launcher.steps.base import Op, Step, instruction


class ChangeDirectory(Step, frozen=True):
    """Change the working directory by chdir(2)."""

    path: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.directory", "change to {path}", path=self.path)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.CHDIR, index, texts=[self.path])


class MakeDirectory(Step, frozen=True):
    """Call mkdir(2); a folder that exists is fine."""

    path: str
    mode: int = 0o755

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.folder", "make folder {path}", path=self.path)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.MKDIR, index, [self.mode], [self.path])


class WriteFile(Step, frozen=True):
    """Write a text into an existing file by one write(2): maps, sysctls, cgroups."""

    path: str
    text: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.write", "write {text!r} to {path}", text=self.text, path=self.path)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.WRITE, index, texts=[self.path, self.text])
