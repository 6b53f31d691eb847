"""Turn the text of a setting into its value, and check values that come from elsewhere.

Imported with the declarations whenever pytest starts with the plugin, so the groups of settings are not imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, get_args

from tare.bench.request import amounts
from tare.bench.request.amounts import Because
from tare.results.nearest import nearest
from tare.results.said import listed, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")


class Unreadable(ValueError):
    """A text that a reader cannot use; the message says what can be given, with an example."""


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """Reader of one kind of value, from text."""

    parse: Callable[[str], T]
    """Text → value; raises ``ValueError`` where the text makes none."""
    accepts: str
    """What can be given, as a phrase that follows *give*: ``a whole number above 0``."""
    example: str
    """A text that can be read."""
    check: Callable[[T], None] = lambda _value: None
    """Raises ``ValueError`` for a value of the right type that means nothing; also asked of values from JSON."""
    write: Callable[[T], str] = str
    """Value → text that is read as this value again. Empty text, as for a default, says that nothing is set."""
    many: bool = False
    """Several values may be given, separated by commas, or as a list in TOML."""
    flag: bool = False
    """It is true or false, also in TOML; the option takes no value and has a negation, ``--no-…``."""
    below: Callable[[str, Path], str] = lambda text, _folder: text
    """Text and the folder of the settings file that it is in → text; relative paths are those of that folder."""

    def __call__(self, text: str) -> T:
        """Read a value.

        Raises:
            Unreadable: the text cannot be used; the message says what could.
        """
        try:
            value = self.parse(text)
            self.check(value)
        except (ValueError, OverflowError) as error:
            # What int() and float() say of a text is Python's business, not the user's.
            empty = "" if text.strip() else say("reader.empty", "it is empty")
            raise self.unreadable(str(error) if isinstance(error, Because) else empty) from error
        return value

    def unreadable(self, why: str = "") -> Unreadable:
        """Make the error for a value that cannot be used; ``why`` says what is wrong with it beyond its kind."""
        what, such = self.accepts, self.example
        if why.endswith("?"):
            text = "{why} Give {what}, such as {such}"
            return Unreadable(say("reader.question", text, why=why, what=what, such=such))
        give = say("reader.give", "give {what}, such as {such}", what=what, such=such)
        return Unreadable(listed(filter(None, (why, give))))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _some_names(found: tuple[str, ...]) -> None:
    if not found or not all(found):
        raise Because(say("reader.no_name", "there is no name in it"))


def _programs(text: str) -> Mapping[str, str]:
    found = {}
    for part in text.split(","):
        name, sign, path = (word.strip() for word in part.partition("="))
        if not sign or not name or not path:
            raise Because(say("reader.name_path", "{strip!r} is not NAME=PATH", strip=part.strip()))
        found[name] = path
    return found


def _programs_below(text: str, folder: Path) -> str:
    pairs = (part.partition("=") for part in text.split(","))
    return ",".join(f"{name}{sign}{_program_below(path.strip(), folder)}" for name, sign, path in pairs)


def _yes(text: str) -> bool:
    word = text.strip().lower()
    if word not in {"true", "yes", "1", "false", "no", "0"}:
        raise Because("")
    return word in {"true", "yes", "1"}


def _path_below(text: str, folder: Path) -> str:
    return str(folder / text) if text.strip() and not text.startswith("~") else text


def _program_below(text: str, folder: Path) -> str:
    """Leave a name, which is looked for on ``PATH``, as it is."""
    return _path_below(text, folder) if "/" in text else text


def _kernel_below(text: str, folder: Path) -> str:
    from tare.runners.settings import KERNEL_SOURCES  # noqa: PLC0415 - see above

    return text if text in KERNEL_SOURCES else _path_below(text, folder)


def _image_below(text: str, folder: Path) -> str:
    from tare.runners.images.registry import names_a_registry  # noqa: PLC0415 - see above

    return text if names_a_registry(text) else _path_below(text, folder)


def _store_below(text: str, folder: Path) -> str:
    return text if "://" in text or text.startswith("git:") else _path_below(text, folder)


def _kernel(text: str) -> str:
    from tare.runners.settings import KERNEL_SOURCES  # noqa: PLC0415 - see above

    return text if not text or text in KERNEL_SOURCES else str(_absolute(text))


def _is_one_of(word: str, allowed: Sequence[str]) -> None:
    if word not in allowed:
        near = nearest(word, allowed)
        raise Because(say("reader.did_you_mean", "did you mean {near}?", near=near) if near else "")


def _is_language(word: str) -> None:
    from tare.reports.model import LANGUAGES  # noqa: PLC0415 - see above

    _is_one_of(word, LANGUAGES)


def _is_accelerator(word: str) -> None:
    from tare.runners.settings import Accel  # noqa: PLC0415 - see above

    _is_one_of(word, get_args(Accel))


def _folder(text: str) -> Path:
    if not text.strip():
        raise Because(say("reader.empty", "it is empty"))
    return _expanded(text)


def _absolute(text: str) -> Path:
    return _expanded(text).absolute()


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # no user of that name
        raise Because(say("reader.no_home", "it is not known whose home folder that is")) from error


names = Reader(
    _names,
    "names, separated by commas",
    "bare,namespaces",
    _some_names,
    ",".join,
    many=True,
)
"""``a,b,c`` → names in the order given, each once."""

size = Reader(
    amounts.size,
    "a number of bytes, or one with K, M, G or T behind it",
    "512M",
    amounts.check_size,
    amounts.size_text,
)
"""``512M``, ``2G``, ``1048576`` → bytes (powers of 1024)."""

positive = Reader(amounts.whole_number, "a whole number above 0", "2", amounts.check_positive)
"""A whole number above 0."""

whole = Reader(amounts.whole_number, "a whole number", "42", amounts.check_storable)
"""Any whole number that a file can hold."""

text = Reader(str, "text", "nightly")
"""The text as it is."""

yes = Reader(_yes, "true or false", "true", write=lambda value: str(value).lower(), flag=True)
"""``true`` or ``false``; also ``yes``, ``no``, ``1`` and ``0``."""

image = Reader(
    str, "the path or registry's name of an image", "docker.io/library/redis:7", below=_image_below
)
"""The text as it is; a path is in the folder of the settings file."""

store = Reader(str, "the address of a store", "git:runs@origin", below=_store_below)
"""The text as it is; a folder is in that of the settings file."""

program = Reader(str, "a name on PATH or a path", "/opt/new/firecracker", below=_program_below)
"""The text as it is: a name that is looked for on ``PATH``, or a path."""

seconds = Reader(
    amounts.seconds,
    "a number of seconds above 0, or of minutes (m) or hours (h)",
    "90 or 6m",
    amounts.check_seconds,
    amounts.seconds_text,
)
"""``90``, ``90s``, ``6m``, ``1h`` → a positive, finite number of seconds."""

programs = Reader(
    _programs,
    "NAME=PATH, several separated by commas",
    "runc=/opt/new/runc",
    write=lambda found: ",".join(f"{name}={path}" for name, path in found.items()),
    many=True,
    below=_programs_below,
)
"""``runc=/opt/runc,crun=/opt/crun`` → program → path."""

percentage = Reader(
    lambda text: amounts.number(text.strip().removesuffix("%")) / 100,
    "a percentage above 0 and below 100",
    "1%",
    amounts.check_share,
    lambda share: f"{share * 100:.12g}%",
)
"""``1%``, ``1`` or ``0.5 %`` → a relative difference, 0.01."""

cpu_list = Reader(
    amounts.cpu_list,
    "numbers of CPUs, or ranges of them, separated by commas",
    "0-1",
    amounts.check_cpus,
    lambda cpus: ",".join(map(str, cpus)),
    many=True,
)
"""``0-2,5`` → (0, 1, 2, 5), as cpuset files write it."""

throughput = Reader(
    amounts.throughput,
    "bytes per second, operations per second or both",
    "50M,2000iops",
    amounts.check_throughput,
    amounts.throughput_text,
    many=True,
)
"""``50M``, ``2000iops`` or ``50M,2000iops`` → bytes and operations per second; 0: no limit."""

folder = Reader(_folder, "the path of a folder", "results/runs", below=_path_below)
"""A path, relative to the working directory unless it is absolute, with ``~`` expanded."""

file = Reader(
    lambda text: _absolute(text) if text else None,
    "a path",
    "/opt/new/qemu-system-x86_64",
    below=_path_below,
)
"""A path made absolute, with ``~`` expanded; empty: ``None``."""

kernel = Reader(_kernel, "host, cloud, generic or the path of a kernel", "cloud", below=_kernel_below)
"""The word for a kernel (:data:`tare.runners.settings.KERNEL_SOURCES`), or the absolute path of one."""


line = Reader(str.strip, "kernel arguments on one line", "mitigations=off")
"""Text without the white space around it."""

language = Reader(str, "en or ko", "en", _is_language)
"""One of the languages that reports are written in."""

accelerator = Reader(str, "auto, kvm or tcg", "auto", _is_accelerator)
"""``auto``, ``kvm`` or ``tcg``."""
