"""Choose for an experiment a runner whose places have a network."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tare.bench.measurable import Unsuitable
from tare.results.said import joined
from tare.runners.errors import Missing
from tare.runners.registry import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.bench.experiments.base import Lab
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Limits


def connected_runner(
    lab: Lab, image: Image | None = None, limits: Limits | None = None
) -> tuple[Runner, str]:
    """Choose the lab's runner, or one that makes the same places with a network where the lab's have none.

    Args:
        lab: the experiment's.
        image: image of the places. ``None``: the run's.
        limits: limits of the places. ``None``: the run's.

    Returns:
        The runner, prepared. If no candidate of :func:`tare.runners.registry.connected` works here, it is the lab's
        after all, and the text says why.

    Raises:
        Missing: image or limits are not the run's, and no such runner can be made.
    """
    if lab.siblings is None:
        return lab.runner, ""
    why = ""
    for name in connected(lab.runner.name):
        try:
            return lab.siblings.get(name, image or lab.image, limits or lab.limits), ""
        except Missing as refusal:
            why = joined(why, f"{name}: {refusal}")
    if image is None and limits is None:
        return lab.runner, why
    return lab.siblings.get(lab.runner.name, image or lab.image, limits or lab.limits), why


@contextmanager
def telling(refusals: str) -> Iterator[None]:
    """Add to the block's refusal why there is no runner with a network.

    Args:
        refusals: text of :func:`connected_runner`.

    Raises:
        Unsuitable: the block did.
    """
    try:
        yield
    except Unsuitable as error:
        raise Unsuitable(joined(error.reason, refusals), error.remedy, lasting=error.lasting) from error
