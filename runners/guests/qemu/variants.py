"""Variants of a guest: what can be configured otherwise, one word each, joined by ``+``.

``qemu-microvm:pin+cache=none+net=user``. The order of the words does not matter; a variant is always named in the
order of :data:`WORDS`, so that one configuration is one series. What is not named is as the profile has it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.guests.qemu.profiles import Profile

Cache = Literal["writeback", "none", "writethrough"]
Aio = Literal["threads", "io_uring", "native"]
Console = Literal["panics", "all", "none"]
Mode = Literal["none", "user", "passt", "tap", "vhost"]

MOST_CPUS = 64


class BadVariant(TareError):
    """A variant that does not exist, or whose words contradict each other; the text says what there is."""


@dataclass(frozen=True, slots=True)
class Variant:
    """How a guest is configured."""

    plain: bool = False
    """As ``qemu-system-x86_64 -kernel vmlinuz -initrd … -append quiet`` does it: the compressed kernel, a compressed
    initramfs, QEMU's default devices and CPU model."""
    cpus: int = 0
    """vCPUs; 0: as many as the limits allow CPUs."""
    pin: bool = False
    """Each vCPU's thread on one host CPU, in turn."""
    cpu: Literal["", "host", "max", "default"] = ""
    """CPU model. Empty: ``host`` under KVM, ``max`` under TCG, or the user's setting. ``default``: QEMU's own."""
    hugetlb: bool = False
    """Guest memory in huge pages that the host has set aside."""
    prealloc: bool = False
    """Guest memory is allocated before the guest starts."""
    balloon: bool = False
    """A balloon with free-page reporting: what the guest frees is returned to the host."""
    cache: Cache = "writeback"
    """Of the disks. ``writeback``: the host's page cache, and a guest's flush is the host's ``fdatasync``. ``none``:
    past the page cache, flushes as before. ``writethrough``: every write is flushed. ``unsafe`` is not offered: it
    ignores flushes."""
    aio: Aio = "threads"
    iothread: bool = False
    """The scratch disk is served by a thread of its own."""
    console: Console = "panics"
    """What the kernel writes to the serial console; ``none``: there is no such port."""
    net: Mode = "none"

    @property
    def name(self) -> str:
        """The variant's words; empty for the profile as it is."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                words.append(field.name if value is True else f"{field.name}={value}")
        return "+".join(words)


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
"""Field of :class:`Variant` → how it is said."""


def parse(text: str) -> Variant:
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
    variant = Variant(**said)
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


_CONTRADICTIONS: tuple[tuple[Callable[[Variant], bool], str], ...] = (
    (
        lambda v: v.aio == "native" and v.cache != "none",
        "aio=native needs cache=none: Linux does asynchronous I/O only past the page cache",
    ),
)


def parse_for(profile: Profile, text: str) -> Variant:
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


def problem(profile: Profile, text: str) -> str:
    """What is wrong with a profile's variant; empty: nothing."""
    try:
        parse_for(profile, text)
    except BadVariant as error:
        return str(error)
    return ""


def canonical(text: str) -> str:
    """The same variant, as it is always named."""
    return parse(text).name


def spell() -> str:
    """All words, for people."""
    return ", ".join(_one(name) for name in WORDS)


def _one(name: str) -> str:
    values = "|".join(WORDS[name].values)
    return f"{name}={values}" if values else name
