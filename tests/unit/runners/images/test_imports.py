"""What a Python command imports, read from its source."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.images.imports import imported, installed, modules, source_of


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-c", "import a"], "import a"),
        (["-Ic", "import a", "x"], "import a"),
        (["-cimport a"], "import a"),
        (["-m", "a.b", "-c", "import c"], "import a.b"),
        (["-W", "error", "-X", "dev", "-c", "import a"], "import a"),
        (["-Werror", "-m", "a"], "import a"),
        (["-B", "--version"], ""),
        (["-"], ""),
        ([], ""),
        (["-m"], ""),
        (["-m", "no name; import os"], ""),
    ],
)
def test_code_of_a_command_line(arguments, expected):
    assert source_of(arguments)[0] == expected


def test_a_script_and_its_neighbours(tmp_path):
    (tmp_path / "main.py").write_text("import near\nfrom package.part import x\nimport far\n")
    (tmp_path / "near.py").write_text("def f():\n    import near, deep\n")
    (tmp_path / "deep.py").write_text("")
    (tmp_path / "unused.py").write_text("import unused_too")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/part.py").write_text("from . import other\nimport from_package")
    (tmp_path / "package/data.txt").write_text("")
    names, local = modules(*source_of([str(tmp_path / "main.py"), "-c", "import no"]))
    assert names == {"near", "package", "far", "deep", "from_package"}
    assert sorted(str(path.relative_to(tmp_path)) for path in local) == [
        "deep.py",
        "near.py",
        "package/data.txt",
        "package/part.py",
    ]


@given(st.text())
def test_any_text_is_code_or_not(text):
    assert isinstance(imported(text), set)


def test_what_is_installed_with_its_requirements():
    files, _folders, distributions = installed(Path(sys.executable), ["jinja2", "no_such_module", "os"])
    assert distributions.keys() == {"jinja2", "markupsafe"}
    assert any(path.name == "environment.py" for path in files)
