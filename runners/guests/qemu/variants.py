"""Parse the variants of QEMU guests: words for what differs from the profile, joined by ``+``.

``qemu-microvm:pin+cache=none+net=user``. The words may come in any order; a variant is always named in the order of
:data:`WORDS`, so that one configuration is one series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.results.nearest import did_you_mean
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.guests.qemu.profiles import PREFIX, PROFILES
from tare.runners.guests.variant import GuestVariant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.guests.qemu.profiles import Profile


MOST_CPUS = 64


class BadVariant(TareError):
    """A variant that does not exist, or whose words contradict each other; the message lists the words."""


WORDS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "cpus": ("N",),
    "pin": (),
    "cpu": ("host", "max", "default"),
    "hugetlb": (),
    "prealloc": (),
    "balloon": (),
    "cache": ("none", "writethrough"),
    "aio": ("io_uring", "native"),
    "iothread": (),
    "console": ("all", "none"),
    "net": ("user", "passt", "tap", "vhost"),
}
"""Field of :class:`GuestVariant` → values allowed behind ``=``; none: the word stands alone."""


def parse(text: str) -> GuestVariant:
    """Parse ``pin+cache=none``; an empty text is the plain profile.

    Raises:
        BadVariant: a word is unknown or repeated, its value is not allowed, or two words contradict each other.
    """
    said: dict[str, Any] = {}
    for part in text.split("+") if text else ():
        name, equals, value = part.partition("=")
        allowed = WORDS.get(name)
        if allowed is None:
            hint = did_you_mean(name, WORDS)
            raise BadVariant(say(
                "variant.no_word", "there is no {name!r}{hint} Words are {words}.",
                name=name, hint=hint, words=", ".join(map(_spelled, WORDS)),
            ))  # fmt: skip
        if name in said:
            raise BadVariant(say("variant.twice", "{name} is given twice", name=name))
        if bool(equals) != bool(allowed):
            if equals:
                raise BadVariant(say("variant.alone", "{name} stands alone", name=name))
            raise BadVariant(say(
                "variant.needs_value", "{name} needs a value: {spelled}",
                name=name, spelled=_spelled(name),
            ))  # fmt: skip
        said[name] = _value(name, value)
    variant = GuestVariant(**said)
    for contradicts, why in _CONTRADICTIONS:
        if contradicts(variant):
            raise BadVariant(why)
    return variant


def _value(name: str, value: str) -> object:
    if not WORDS[name]:
        return True
    if name == "cpus":
        if not value.isdecimal() or not 1 <= int(value) <= MOST_CPUS:
            raise BadVariant(say(
                "variant.cpus", "cpus={value}: give a number from 1 to {most_cpus}, such as cpus=2.",
                value=value, most_cpus=MOST_CPUS,
            ))  # fmt: skip
        return int(value)
    if value not in WORDS[name]:
        hint = did_you_mean(value, WORDS[name])
        raise BadVariant(say(
            "variant.bad_value", "{name} cannot be {value!r}{hint} It is {name2}.",
            name=name, value=value, hint=hint, name2=_spelled(name),
        ))  # fmt: skip
    return value


_CONTRADICTIONS: tuple[tuple[Callable[[GuestVariant], bool], str], ...] = (
    (
        lambda v: v.aio == "native" and v.cache != "none",
        say(
            "variant.aio",
            "aio=native needs cache=none: Linux does asynchronous I/O only past the page cache",
        ),
    ),
)


def parse_for(profile: Profile, text: str) -> GuestVariant:
    """Parse a variant and refuse what the profile does not support.

    Raises:
        BadVariant: see :func:`parse`; or the profile does not support it.
    """
    variant = parse(text)
    if profile.start != "direct" and variant.plain:
        raise BadVariant(
            say("variant.plain", "plain is a way to boot directly, and {name} does not", name=profile.name)
        )
    if profile.start == "restored" and (variant.hugetlb or variant.prealloc):
        raise BadVariant(say(
            "variant.restored_memory", "a restored guest's memory is the snapshot's file: neither hugetlb nor prealloc",
        ))  # fmt: skip
    if profile.start == "restored" and variant.net in {"tap", "vhost"}:
        raise BadVariant(say(
            "variant.restored_bridge", "restored guests all have one address, so they cannot share a bridge: use net=user",
        ))  # fmt: skip
    return variant


class QemuVariants:
    """See :class:`tare.runners.model.Variants`."""

    known = ()

    def problem(self, runner: str, variant: str) -> str:
        """See :class:`tare.runners.model.Variants`."""
        try:
            parse_for(PROFILES[runner.removeprefix(PREFIX)], variant)
        except BadVariant as error:
            return str(error)
        return ""

    def spelled(self, variant: str) -> str:
        """See :class:`tare.runners.model.Variants`."""
        return parse(variant).name


VARIANTS = QemuVariants()
"""Variants of every QEMU runner."""


def _spelled(name: str) -> str:
    values = "|".join(WORDS[name])
    return f"{name}={values}" if values else name
