"""Paths below a root: links lead where they would lead a process that has it as its root."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.provision.paths import inside


def test_links_are_followed_within_the_root(tmp_path):
    root = tmp_path
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib").mkdir()
    (root / "bin").symlink_to("usr/bin")
    (root / "lib").symlink_to("usr/lib")
    (root / "usr/bin/up").symlink_to("../../../../etc/x")
    (root / "usr/bin/absolute").symlink_to("/lib/y")
    assert inside(root, "/bin/up") == "/etc/x"
    assert inside(root, "bin/absolute/z") == "/usr/lib/y/z"
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        inside(root, "/a")


@given(
    st.lists(st.sampled_from(["..", ".", "a", "b", "up", "top", "/"]), max_size=8),
    st.sampled_from(["..", "/", "a/../..", "../../b"]),
)
def test_no_path_leads_out(tmp_path_factory, parts, target):
    root = tmp_path_factory.mktemp("root")
    (root / "a/b").mkdir(parents=True)
    (root / "a/up").symlink_to(target)
    (root / "top").symlink_to("/a/up")
    found = inside(root, "/".join(parts))
    assert found.startswith("/")
    assert ".." not in found.split("/")
