"""Details and environment: every struct goes to JSON and comes back the same."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.draws import draws
from support.paths import GOLDEN
from support.results_making import manifest, trial
from tare.results import details, environment
from tare.results.details import Details, IsolationDetails, ScalingDetails
from tare.results.record import Manifest, NotFinite, Trial
from tare.results.storage.load import load_run

STRUCTS = [
    kind
    for module in (details, environment)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
]

info = msgspec.inspect
SIMPLE: dict[type, st.SearchStrategy[object]] = {
    info.StrType: st.text(max_size=9),
    info.BoolType: st.booleans(),
    info.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    info.NoneType: st.none(),
    info.AnyType: st.none() | st.text(max_size=9) | st.lists(st.booleans(), max_size=2),
}
MADE: dict[type, Callable[[Any], Any]] = {
    info.IntType: lambda of: st.integers(-(2**63) if of.ge is None else of.ge, 2**63 - 1),
    info.LiteralType: lambda of: st.sampled_from(of.values),
    info.UnionType: lambda of: st.one_of(*map(values, of.types)),
    info.VarTupleType: lambda of: st.lists(values(of.item_type), max_size=3).map(tuple),
    info.DictType: lambda of: st.dictionaries(values(of.key_type), values(of.value_type), max_size=3),
    info.StructType: lambda of: structs(of.cls),
    info.DataclassType: lambda of: structs(of.cls),
}


def values(of: Any) -> Any:
    """Make values of a field's type, as :func:`msgspec.inspect.type_info` describes it."""
    return SIMPLE[type(of)] if type(of) in SIMPLE else MADE[type(of)](of)


def structs(kind):
    described: Any = msgspec.inspect.type_info(kind)
    fields = {f.name: values(f.type) for f in described.fields}
    return st.fixed_dictionaries(fields).map(lambda found: kind(**found))


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
@settings(max_examples=draws(30))
@given(data=st.data())
def test_every_struct_is_the_same_after_json(kind, data):
    value = data.draw(structs(kind))
    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value


@settings(max_examples=30)
@given(values(msgspec.inspect.type_info(Details)))
def test_details_of_a_trial_keep_their_kind(found):
    stored = trial(0, 1.0, details=found, not_finite=(NotFinite(metric="x", part="error", text="inf"),))
    assert msgspec.json.decode(msgspec.json.encode(stored), type=Trial) == stored


def test_a_manifest_keeps_probes_and_limits():
    golden = load_run(GOLDEN / "experiments-v2").manifest
    stored = manifest(probes=golden.probes, limits=golden.limits, resumed=golden.resumed)
    assert msgspec.json.decode(msgspec.json.encode(stored), type=Manifest) == stored


def test_a_kind_that_is_not_known_is_no_trial():
    line = msgspec.json.encode(trial(0, details=ScalingDetails(threads=2))).replace(b"scaling", b"sorcery")
    with pytest.raises(msgspec.ValidationError, match="sorcery"):
        msgspec.json.decode(line, type=Trial)


def test_what_a_place_does_not_show_is_not_there():
    seen = IsolationDetails(attempts=(), fingerprint={"cpu.seen": 2}, same_kernel=True)
    assert msgspec.json.decode(msgspec.json.encode(seen)) == {
        "kind": "isolation", "attempts": [], "fingerprint": {"cpu.seen": 2}, "same_kernel": True,
    }  # fmt: skip
