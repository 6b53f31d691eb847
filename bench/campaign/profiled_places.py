"""Wrap runners so that every place they open is sampled, whoever opens it: for profiles of workloads and of experiments."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from tare.bench.campaign.sampling import sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from tare.bench.campaign.sampling import Sampled, Sampler
    from tare.bench.measurable import Siblings
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Job, JobResult, Limits, Place, Service


@dataclass(frozen=True, slots=True)
class Sampling:
    """Samples of one place, and its folders, which are left out of names."""

    sampled: Sampled
    root: str
    scratch: str

    @property
    def hidden(self) -> dict[str, str]:
        """Give the place's folders, and what stands for them in names of frames; the longest first."""
        folders = {self.scratch.rstrip("/"): "{scratch}", self.root.rstrip("/"): ""}
        return {one: folders[one] for one in sorted(filter(None, folders), key=len, reverse=True)}


@dataclass(slots=True)
class ProfiledRunner:
    """A prepared runner whose places are sampled while they are open."""

    runner: Runner
    image: Image
    taken: list[Sampling] = field(default_factory=list)
    """Samplings of the places that were opened, in order."""

    def __getattr__(self, name: str) -> Any:
        """Give everything else that the runner has."""
        return getattr(self.runner, name)

    @contextmanager
    def open(self, first: Job | None = None) -> Iterator[Place]:
        """Open a place and sample it; its first job, too, is run in the open place, where it can be sampled."""
        del first
        with self.runner.open() as place:
            emulated = self.runner.accelerator == "tcg"
            with sampling(place, self.image, emulated=emulated) as sampler:
                self.taken.append(Sampling(sampler.sampled, place.root, place.scratch))
                yield cast("Place", ProfiledPlace(place, self.image, sampler))


@dataclass(slots=True)
class ProfiledPlace:
    """An open place that starts Python directly, so that py-spy recognizes it, instead of by its loader."""

    place: Place
    image: Image
    sampler: Sampler

    def __getattr__(self, name: str) -> Any:
        """Give everything else that the place has."""
        return getattr(self.place, name)

    def run(self, job: Job) -> JobResult:
        """See :class:`tare.runners.model.Place`."""
        return self.place.run(self._direct(job))

    def start(self, job: Job) -> Service:
        """See :class:`tare.runners.model.Place`."""
        return cast("Service", ProfiledService(self.place.start(self._direct(job)), self.sampler))

    def _direct(self, job: Job) -> Job:
        argv = self.image.without_loader(self.place.root, job.argv)
        is_python = bool(argv) and PurePosixPath(argv[0]).name.startswith("python")
        return replace(job, argv=argv) if is_python else job


@dataclass(slots=True)
class ProfiledService:
    """A service that is no longer sampled when it is to end: its place's agent may then kill all that runs there."""

    service: Service
    sampler: Sampler

    def __getattr__(self, name: str) -> Any:
        """Give everything else that the service has."""
        return getattr(self.service, name)

    def stop(self) -> None:
        """End the sampling of the place, then the service itself."""
        try:
            self.sampler.stop()
        finally:
            self.service.stop()


@dataclass(frozen=True, slots=True)
class ProfiledSiblings:
    """Source of further runners whose places are sampled as well."""

    siblings: Siblings
    taken: list[Sampling]

    def image(self, whose: Hashable, build: Callable[[], Image]) -> Image:
        """See :class:`tare.bench.measurable.Siblings`."""
        return self.siblings.image(whose, build)

    def get(self, name: str, image: Image, limits: Limits) -> Runner:
        """See :class:`tare.bench.measurable.Siblings`."""
        return cast("Runner", ProfiledRunner(self.siblings.get(name, image, limits), image, self.taken))
