"""Stand for a runner of another package that could not even be made: it refuses, and the run goes on without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import msgspec

from tare.runners.errors import Missing
from tare.runners.model import Probe

if TYPE_CHECKING:
    from tare.results.record import Accelerator
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits


class Refusing(msgspec.Struct):
    """See :class:`tare.runners.context.Runner`."""

    name: str
    reason: str
    """Sentence that says why it cannot run, and names the package."""
    remedy: str
    accelerator: Accelerator = "none"

    @property
    def label(self) -> str:
        """See :class:`tare.runners.context.Runner`."""
        return self.name

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        return Probe(ok=False, reason=self.reason, remedy=self.remedy)

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`; nothing can be prepared."""
        del image, limits
        self._refuse()

    def open(self, first: Job | None = None) -> NoReturn:
        """See :class:`tare.runners.context.Runner`; no place can be made."""
        del first
        self._refuse()

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`; there is nothing to undo."""

    def _refuse(self) -> NoReturn:
        raise Missing(self.reason, self.remedy)
