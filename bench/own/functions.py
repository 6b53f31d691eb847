"""Carry a plain Python function into places: a script with its code and its closure, and the modules that they import.

The script is run by the interpreter of this process, which the image gets with the installed packages that are imported;
modules that are not installed lie beside the script. It times the calls itself, so that the start of the interpreter and
the imports are no part of the figure.
"""

from __future__ import annotations

import dis
import functools
import inspect
import io
import re
import shutil
import sys
import types
from base64 import b85encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

from tare.bench.own import function_program
from tare.bench.own.expand import text_of
from tare.bench.own.function_modules import is_own, own_sources
from tare.results.said import say
from tare.runners.errors import UsageError
from tare.runners.provision.cache import Cache, default_cache, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tare.bench.own.definition import Value

METRICS = {
    "call": {
        "json": "seconds", "unit": "s", "direction": "lower", "primary": True, "clock": "place-monotonic",
    },
    "calls": {"json": "calls", "unit": "count"},
}  # fmt: skip
"""Metrics of every function, as in TOML. ``command.seconds`` beside them has the start and the imports in it."""

FIRST_CALL = {"first-call": {"json": "first", "unit": "s", "clock": "place-monotonic"}}
"""Metric of a function that is warmed up: its first call, with what it only does once."""

_FUTURE = "from __future__ import annotations\n"
"""Line that only the beginning of a file may have."""

_SCRIPT = '''"""Measure {name}: written by Tare, and run in its places."""

from __future__ import annotations

if False:
    # So that the image has them.
{imports}
{program}

main({payload!r}, sys.argv[1:])
'''


@dataclass(slots=True)
class _Seen:
    """What a pickled function needs of the place."""

    modules: set[str] = field(default_factory=set)
    """Modules that are imported there, by their whole names."""
    inside: set[str] = field(default_factory=set)
    """Modules that carried code imports when it runs."""


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Pickle a function, and note the modules that it refers to."""

    def __init__(self, file: io.BytesIO, seen: _Seen) -> None:
        super().__init__(file)
        self._seen = seen

    def reducer_override(self, obj: Any) -> Any:
        """Note the modules that an object refers to; see :meth:`pickle.Pickler.reducer_override`."""
        if isinstance(obj, types.CodeType):
            self._seen.inside |= set(_imports(obj))
        elif isinstance(obj, types.ModuleType):
            self._seen.modules.add(obj.__name__)
        elif module := getattr(obj if isinstance(obj, type) else type(obj), "__module__", None):
            own = getattr(obj, "__module__", None) if callable(obj) else None
            self._seen.modules |= {str(module), *([str(own)] if own else ())}
        return super().reducer_override(obj)


def describe(
    function: Callable[..., object], parameters: Mapping[str, Sequence[Value]], *, calls: int, warmups: int
) -> dict[str, Any]:
    """Write a function into a script, and make the keys of a definition that runs it.

    Args:
        function: takes the parameters as keyword arguments; what it returns is ignored.
        parameters: name → values.
        calls: number of calls that are timed together; 0: as many as take 0.1 s.
        warmups: calls before those, untimed.

    Raises:
        UsageError: it cannot be carried, or not be called with these parameters.
    """
    name = qualified(function)
    if type(calls) is not int or type(warmups) is not int or calls < 0 or warmups < 0:
        raise UsageError(say(
            "own.whole_numbers", "{name}: calls and warmups are whole numbers, such as calls=1000, warmups=1.",
            name=name,
        ))  # fmt: skip
    _check_callable(function, name, parameters)
    tables = {key: {text_of(value): value for value in values} for key, values in parameters.items()}
    words = [f"{key}={{{key}}}" for key in parameters]
    return {
        "command": [sys.executable, str(_script(function, tables, name)), str(calls), str(warmups), *words],
        "identity": f"Python function {name}",
        "summary": f"a call of the Python function {name}"[:200],
        "metrics": {**METRICS, **(FIRST_CALL if warmups else {})},
    }


def qualified(function: Callable[..., object]) -> str:
    """Name a function with its module, as messages and the identity of its series do."""
    inner = function.func if isinstance(function, functools.partial) else function
    own = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return f"{getattr(inner, '__module__', None) or type(inner).__module__}.{own}"


def _check_callable(
    function: Callable[..., object], name: str, parameters: Mapping[str, Sequence[Value]]
) -> None:
    """Refuse what does no work when it is called, and what cannot be called so."""
    inner = function.func if isinstance(function, functools.partial) else function
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise UsageError(say(
            "own.asynchronous", "{name} is asynchronous, so calling it does no work: give a function that calls asyncio.run({name}()).",
            name=name,
        ))  # fmt: skip
    if inspect.isgeneratorfunction(inner):
        raise UsageError(say(
            "own.generator", "{name} is a generator function, so calling it does no work: give a function that consumes it.",
            name=name,
        ))  # fmt: skip
    try:
        inspect.signature(function).bind(**dict.fromkeys(parameters))
    except TypeError as error:
        given = ", ".join(parameters) or "no parameters"
        raise UsageError(say(
            "own.not_callable", "{name} cannot be called with {given}: {error}. Give values for its arguments, as in n=[1, 2].",
            name=name, given=given, error=error,
        )) from error  # fmt: skip
    except ValueError:
        return  # some built-in functions have no signature


def _script(function: Callable[..., object], tables: Mapping[str, Mapping[str, Value]], name: str) -> Path:
    """Write the script, and the modules of the user's own that it imports, into a folder of the cache."""
    payload, needed = _pickled((function, tables), name, _own_module(function))
    try:
        beside = own_sources(needed)
    except UsageError as error:
        raise UsageError(
            say("own.not_carried", "{name} cannot be carried into places: {error}", name=name, error=error)
        ) from error
    imports = "\n".join(f"    import {module}" for module in sorted({*needed, "cloudpickle"}))
    program = Path(function_program.__file__).read_text("utf-8").replace(_FUTURE, "")
    text = _SCRIPT.format(name=name, imports=imports, program=program, payload=b85encode(payload).decode())
    file = re.sub(r"[^\w.-]", "_", name)[-100:] + ".py"
    key = "\n".join((text, *(f"{path} {sha256_of(own)}" for path, own in sorted(beside.items()))))

    def build(folder: Path) -> dict[str, str]:
        (folder / file).write_text(text, "utf-8")
        for path, own in beside.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(own, folder / path)
        return {"function": name}

    return Cache(default_cache()).entry("functions", key, build).path / file


def _own_module(function: Callable[..., object]) -> types.ModuleType | None:
    """Give the module that the function is in, if that is the user's own: its code is carried, and not its file.

    The file may measure something when it is run, or be a file of tests.
    """
    inner = function.func if isinstance(function, functools.partial) else function
    module = sys.modules.get(getattr(inner, "__module__", None) or type(inner).__module__)
    return module if module and is_own(module.__name__.partition(".")[0]) else None


def _pickled(what: object, name: str, by_value: types.ModuleType | None) -> tuple[bytes, set[str]]:
    """Pickle a function with its closure; return the top-level modules that the place has to import as well.

    Raises:
        UsageError: something of it cannot be pickled.
    """
    seen, file = _Seen(), io.BytesIO()
    registered = by_value is not None and by_value.__name__ not in cloudpickle.list_registry_pickle_by_value()
    try:
        if registered:
            cloudpickle.register_pickle_by_value(by_value)
        _Pickler(file, seen).dump(what)
    except Exception as error:  # whatever a stranger's object does when it is taken apart
        raise UsageError(say(
            "own.not_pickled",
            "{name} cannot be carried into places: something that it refers to cannot be pickled ({error}). Make that inside the function.",
            name=name, error=error,
        )) from error  # fmt: skip
    finally:
        if registered:
            cloudpickle.unregister_pickle_by_value(by_value)
    mine = by_value.__name__ if by_value else ""
    names = {one for one in seen.modules if one != mine} | seen.inside
    tops = {one.partition(".")[0] for one in names if all(part.isidentifier() for part in one.split("."))}
    return file.getvalue(), tops - {"__main__", "builtins"}


def _imports(code: types.CodeType) -> Iterator[str]:
    """List the modules that code imports when it runs."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" and instruction.argval:
            yield str(instruction.argval)
