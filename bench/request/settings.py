"""Define the settings of a command as frozen, typed groups.

:mod:`tare.bench.request.declarations` says by which option, variable and key of ``tare.toml`` each is given.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - plans are converted from JSON by these annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tare.bench.measurable import CrowdSettings
from tare.bench.request.amounts import Throughput
from tare.reports.model import Language  # noqa: TC001 - as above
from tare.results.said import say
from tare.runners.errors import SettingRefused
from tare.runners.settings import GuestSettings, KubernetesSettings, RunnerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.runners.model import Limits


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Selection of runners and workloads, and how long to measure them."""

    runners: tuple[str, ...] = ()
    """Runners asked for, in order. Empty: the mode's."""
    keyword: str = ""
    """Expression over names and families of workloads. Empty: all but those that have to be named."""
    image: str = ""
    """Image made elsewhere, ``PATH[:NAME]``. Empty: the suite's own."""
    seed: int | None = None
    """Seed of the shuffled order. ``None``: drawn."""
    blocks: int | None = None
    """Blocks to take of each workload. ``None``: as many as the precision needs and the budget affords."""
    budget_seconds: float | None = None
    """Seconds of measuring. ``None``: the mode's."""
    precision: float | None = None
    """Half-width of the 95 % interval to aim at, relative to the cost: 0.01 is ±1 %. ``None``: the mode's."""
    tools: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Program → path, for those to use instead of what is found."""
    name: str = ""
    """Name to find the run by. Empty: the run id alone."""


class OutputSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Folders of results and reports, and the language."""

    results_dir: Path = Path("results/runs")
    """Folder of the runs."""
    baselines_dir: Path = Path("results/baselines")
    """Folder of the baselines, with a folder for each host class."""
    reports_dir: Path = Path("reports/out")
    """Folder of the reports."""
    language: Language = "en"
    """Language of the terminal and of reports."""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the store that runs are kept in."""

    address: str = ""
    """Folder, ``git:BRANCH``, ``git:BRANCH@REMOTE`` or URL. Empty: none."""


class CommandSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the measuring of the user's own commands."""

    count: bool = False
    """Count the instructions of the commands after the measuring."""


_LEAST_MEMORY = 1 << 20
"""Bytes below which the kernel ends the launcher when it makes a place, and with it the run; 512 KiB were just enough."""


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of each place, before they are checked against the host."""

    cpus: int | None = None
    """CPUs of each place. ``None``: all that this process may use, or those of ``cpuset``."""
    cpuset: tuple[int, ...] = ()
    """Host CPUs to run on. Empty: any."""
    memory_bytes: int = 1 << 30
    pids: int = 512
    """Processes and threads."""
    scratch_bytes: int = 1 << 30
    """Disk space of the scratch folder."""
    io: Throughput = msgspec.field(default_factory=Throughput)
    """Rates of reads, and again of writes, on the disk that holds the scratch folder."""

    def on(self, host_cpus: Sequence[int]) -> Limits:
        """Check the limits against the CPUs that this process may use.

        Raises:
            SettingRefused: more CPUs are asked for, or other ones, than there are; or memory that nothing can start in.
        """
        from tare.runners.model import Limits  # noqa: PLC0415 - options are declared without it

        if strangers := sorted(set(self.cpuset) - set(host_cpus)):
            raise SettingRefused("--cpuset", say(
                "settings.cpuset", "there is no CPU {strangers} here; there are {host_cpus}.",
                strangers=strangers[0], host_cpus=", ".join(map(str, sorted(host_cpus))),
            ))  # fmt: skip
        available = len(self.cpuset or host_cpus)
        cpus = self.cpus or available
        if cpus > available:
            raise SettingRefused("--cpus", say(
                "settings.cpus", "cannot use {cpus}: only {available} may be used here.",
                cpus=cpus, available=available,
            ))  # fmt: skip
        if self.memory_bytes < _LEAST_MEMORY:
            raise SettingRefused("--memory", say(
                "settings.memory", "cannot use {given}: a place needs 1M to start at all.",
                given=self.memory_bytes,
            ))  # fmt: skip
        return Limits(
            cpus=cpus,
            cpuset=self.cpuset,
            memory_bytes=self.memory_bytes,
            pids=self.pids,
            scratch_bytes=self.scratch_bytes,
            io_bytes_per_second=self.io.bytes_per_second,
            io_operations_per_second=self.io.operations_per_second,
        )


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a command, by group."""

    run: RunSettings = msgspec.field(default_factory=RunSettings)
    commands: CommandSettings = msgspec.field(default_factory=CommandSettings)
    output: OutputSettings = msgspec.field(default_factory=OutputSettings)
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    limits: LimitSettings = msgspec.field(default_factory=LimitSettings)
    crowd: CrowdSettings = msgspec.field(default_factory=CrowdSettings)
    kubernetes: KubernetesSettings = msgspec.field(default_factory=KubernetesSettings)
    guest: GuestSettings = msgspec.field(default_factory=GuestSettings)

    def for_runners(self) -> RunnerSettings:
        """Pick the groups that runners are made with."""
        return RunnerSettings(guest=self.guest, kubernetes=self.kubernetes)

    def with_run(self, **changes: Any) -> Settings:
        """Replace fields of :attr:`run`."""
        return replace(self, run=replace(self.run, **changes))
