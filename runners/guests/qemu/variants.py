"""Variants of a guest: what can be configured otherwise, one word each, joined by ``+``.

``qemu-microvm:pin+cache=none+net=user``. The order of the words does not matter; a variant is always named in the
order of :data:`WORDS`, so that one configuration is one series. What is not named is as the profile has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tare.runners.errors import TareError
from tare.runners.guests.qemu.profiles import PREFIX, PROFILES
from tare.runners.guests.variant import GuestVariant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.guests.qemu.profiles import Profile


MOST_CPUS = 64


class BadVariant(TareError):
    """A variant that does not exist, or whose words contradict each other; the text says what there is."""


class Word(NamedTuple):
    """One thing that can be said in a variant."""

    values: tuple[str, ...]
    """Those that may stand behind ``=``; none: the word stands alone."""
    meaning: str


WORDS = {
    "plain": Word((), "QEMU's defaults and a compressed kernel, as most people start it"),
    "cpus": Word(("N",), "so many vCPUs"),
    "pin": Word((), "each vCPU on a host CPU of its own"),
    "cpu": Word(("host", "max", "default"), "CPU model"),
    "hugetlb": Word((), "memory in huge pages set aside by the host"),
    "prealloc": Word((), "memory allocated before the start"),
    "balloon": Word((), "balloon with free-page reporting"),
    "cache": Word(("none", "writethrough"), "disks past the host's page cache, or each write flushed"),
    "aio": Word(("io_uring", "native"), "how QEMU does its disk I/O, instead of by threads"),
    "iothread": Word((), "a thread of its own for the scratch disk"),
    "console": Word(("all", "none"), "all kernel messages on the serial port, or no such port"),
    "net": Word(("user", "passt", "tap", "vhost"), "a network card, by this back end"),
}
"""Field of :class:`GuestVariant` → how it is said."""


def parse(text: str) -> GuestVariant:
    """Read ``pin+cache=none``; an empty text is the profile as it is.

    Raises:
        BadVariant: a word is unknown or said twice, its value is none of its own, or two contradict each other.
    """
    said: dict[str, Any] = {}
    for part in text.split("+") if text else ():
        name, equals, value = part.partition("=")
        word = WORDS.get(name)
        if word is None:
            raise BadVariant(f"{name!r} is none of {spell()}")
        if name in said:
            raise BadVariant(f"{name} is said twice")
        if bool(equals) != bool(word.values):
            raise BadVariant(f"{name} {'stands alone' if equals else f'needs a value: {_one(name)}'}")
        said[name] = _value(name, word, value)
    variant = GuestVariant(**said)
    for contradicts, why in _CONTRADICTIONS:
        if contradicts(variant):
            raise BadVariant(why)
    return variant


def _value(name: str, word: Word, value: str) -> object:
    if not word.values:
        return True
    if name == "cpus":
        if not value.isdecimal() or not 1 <= int(value) <= MOST_CPUS:
            raise BadVariant(f"cpus={value}: a number from 1 to {MOST_CPUS}")
        return int(value)
    if value not in word.values:
        raise BadVariant(f"{name}={value} is none of {_one(name)}")
    return value


_CONTRADICTIONS: tuple[tuple[Callable[[GuestVariant], bool], str], ...] = (
    (
        lambda v: v.aio == "native" and v.cache != "none",
        "aio=native needs cache=none: Linux does asynchronous I/O only past the page cache",
    ),
)


def parse_for(profile: Profile, text: str) -> GuestVariant:
    """As :func:`parse`, and refuses what the profile cannot be.

    Raises:
        BadVariant: see there.
    """
    variant = parse(text)
    if profile.start != "direct" and variant.plain:
        raise BadVariant(f"plain is a way to boot directly, and {profile.name} does not")
    if profile.start == "restored" and (variant.hugetlb or variant.prealloc):
        raise BadVariant("a restored guest's memory is the snapshot's file: neither hugetlb nor prealloc")
    if profile.start == "restored" and variant.net in {"tap", "vhost"}:
        raise BadVariant("restored guests all have one address, so they cannot share a bridge: take net=user")
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


def spell() -> str:
    """All words, for people."""
    return ", ".join(_one(name) for name in WORDS)


def _one(name: str) -> str:
    values = "|".join(WORDS[name].values)
    return f"{name}={values}" if values else name
