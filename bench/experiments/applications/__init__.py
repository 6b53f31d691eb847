"""List the applications in the order of the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.experiments.applications.memcached import Memcached
from tare.bench.experiments.applications.postgresql import Postgres
from tare.bench.experiments.applications.redis import Redis
from tare.bench.experiments.applications.web import NGINX, PYTHON

if TYPE_CHECKING:
    from tare.bench.experiments.base import Experiment

APPLICATIONS: tuple[Experiment, ...] = (Redis(), Memcached(), NGINX, PYTHON, Postgres())
