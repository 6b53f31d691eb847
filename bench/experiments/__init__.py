"""The experiments: each a short module, listed here in the order of the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.experiments.density import Density
from bench.experiments.deploy import DEPLOYS
from bench.experiments.isolation import Isolation
from bench.experiments.network import Latency, Stream
from bench.experiments.scaling import SCALES
from bench.experiments.starts import STARTS

if TYPE_CHECKING:
    from bench.experiments.base import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    Latency(),
    Stream(),
    Isolation(),
    *SCALES,
    *STARTS,
    Density(),
    *DEPLOYS,
)
