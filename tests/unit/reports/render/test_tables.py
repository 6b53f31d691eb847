"""Long names end their lines at joints; numbers and short words stay whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.reports.render.html.tables import breakable, clean


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("kernel_config_sha256", ["kernel_", "config_", "sha256"]),
        ("sysbench.cpu.rate", ["sysbench.", "cpu.", "rate"]),
        ("namespaces:+seccomp,+no-new-privs", ["namespaces:", "+seccomp,", "+no-new-privs"]),
        ("qemu-microvm(tcg)", ["qemu-microvm", "(tcg)"]),
        ("/srv/data/a-file", ["/srv/", "data/", "a-file"]),
        ("cpu.host", ["cpu.host"]),
        ("1,234,567.5", ["1,234,567.5"]),
        ("0.990–1.010", ["0.990–1.010"]),
        ("2026-03-01 19:17:00", ["2026-03-01 19:17:00"]),
    ],
)
def test_names_may_end_a_line_at_their_joints(text: str, parts: list[str]) -> None:
    assert breakable(text).split("<wbr>") == parts


@given(st.text())
def test_nothing_else_changes(text: str) -> None:
    assert breakable(clean(text)).replace("<wbr>", "") == clean(text)
    assert not text or breakable(clean(text)) != "<wbr>"


def test_only_endless_names_are_broken_inside_their_words() -> None:
    assert breakable("internationalisations") == "internationalisations"
    assert breakable("A" * 39) == "A" * 39
    assert breakable("A" * 41) == "<wbr>".join(["A" * 6] * 6 + ["A" * 5])
    assert breakable("&lt;" * 40).replace("<wbr>", "") == "&lt;" * 40
    assert "&l<" not in breakable("&lt;" * 40)
