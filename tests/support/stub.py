"""Stand in for objects of which a test needs a few attributes only."""

from types import SimpleNamespace
from typing import TYPE_CHECKING

__all__ = ["Duck", "Stub"]

if TYPE_CHECKING:
    from typing import Any as Duck
else:
    Duck = object
    """Base class of doubles: the type checker takes them for any type.

    ``Any`` itself can be subclassed as well, but before Python 3.13 not by a class whose ``__init__`` has arguments.
    """


class Stub(SimpleNamespace, Duck):
    """Object with the given attributes that the type checker takes for any type."""
