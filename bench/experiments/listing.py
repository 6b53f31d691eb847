"""List the experiments in the order of the reports. Each is a short module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.experiments.applications import APPLICATIONS
from tare.bench.experiments.density import Density
from tare.bench.experiments.deploy import DEPLOYS
from tare.bench.experiments.isolation import Isolation
from tare.bench.experiments.neighbours import NEIGHBOURS
from tare.bench.experiments.network import NETWORKS
from tare.bench.experiments.scaling import SCALES
from tare.bench.experiments.services import SERVICES
from tare.bench.experiments.starts import STARTS

if TYPE_CHECKING:
    from tare.bench.experiments.base import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    *NETWORKS,
    *APPLICATIONS,
    *SERVICES,
    *NEIGHBOURS,
    Isolation(),
    *SCALES,
    *STARTS,
    Density(),
    *DEPLOYS,
)
