"""Make up trials of experiments with many places: starts at once and a density ramp."""

from collections.abc import Iterable

from tare.results.details import BurstStart, DensityDetails, PlacesMemory, StartsDetails
from tare.results.record import Metric, Trial


def starting(
    number: int,
    runner: str,
    count: int,
    milliseconds: Iterable[float],
    *,
    bursts: int = 1,
    control: bool = False,
    block: int = 0,
) -> Trial:
    """Make a trial of ``starts-COUNT`` in which places took so long to their first word."""
    burst = tuple(BurstStart(0, round(ms * 1e6), round(ms * 2e6)) for ms in milliseconds)
    metrics = (
        Metric(name="starts.latency", value=0.01, unit="s", direction="lower", primary=True),
        Metric(name="starts.rate", value=count * 100.0 + number, unit="ops/s", direction="higher"),
        Metric(name="starts.harness.spread", value=1e-4, unit="s", direction="none"),
    )
    return Trial(
        run="r", number=number, workload=f"starts-{count}", family="crowd", runner=runner, accelerator="none",
        block=block, outcome="ok", control=control, metrics=metrics, details=StartsDetails(bursts=(burst,) * bursts),
    )  # fmt: skip


def ramp(
    number: int, runner: str, places: int, pss: int, *, cgroups: int | None = None, **more: float
) -> Trial:
    """Make a trial of ``density`` with that many idle places, each of ``pss`` bytes."""
    memory = tuple(
        PlacesMemory(
            places=n, processes=n, pss_bytes=n * pss, cgroups_bytes=cgroups and n * cgroups,
            attendants_bytes=None, daemons_bytes=None, available_bytes=0,
        )
        for n in (0, 1, 2, 4, places)
        if n <= places
    )  # fmt: skip
    metrics = {
        "density.pss": pss,
        "density.start.first_quarter": 0.001,
        "density.start.last_quarter": 0.002,
        **more,
    }
    return Trial(
        run="r", number=number, workload="density", family="crowd", runner=runner, accelerator="none", block=0,
        outcome="ok",
        metrics=tuple(Metric(name=n, value=v, unit="bytes", direction="lower") for n, v in metrics.items()),
        details=DensityDetails(
            budget_bytes=1 << 30, stopped="enough", memory=memory, start_seconds=(0.001,) * places
        ),
    )  # fmt: skip


TRIALS = (
    starting(0, "namespaces", 16, range(1, 17)),
    starting(1, "namespaces", 2, (1, 3), bursts=60),
    starting(2, "bare", 2, (0.2, 0.4)),
    starting(3, "bare-again", 2, (9, 9), control=True),
    starting(4, "namespaces", 2, (5, 7), block=1),
    ramp(5, "namespaces", 6, 30_000, cgroups=200_000),
    ramp(6, "namespaces", 8, 40_000, cgroups=200_000, **{"density.daemons.idle": 5e7}),
)
