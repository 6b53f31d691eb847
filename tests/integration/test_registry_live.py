"""Skopeo pulls from a registry of our own, and a run records the digest that it measured."""

import json
import shutil

import pytest

from support.image_making import layout, tar
from support.registry_double import registry
from tare.bench.__main__ import main
from tare.runners.images.external import read_external
from tare.runners.images.registry import pull, registry_name
from tare.runners.provision import arch
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("skopeo"), reason="skopeo is not installed: `apt-get install skopeo`"
    ),
]


@pytest.fixture
def served(tmp_path):
    """A registry with an image for two machines, of which one is this."""
    other = "arm64" if arch.current().debian == "amd64" else "amd64"
    here = layout(tmp_path / "layout", [tar(("bin/other", b"x"))], architecture=other)
    content = Provision(default_cache()).tool("busybox").path.read_bytes()
    layout(here, [tar(("bin/busybox", content))], started={"Env": ["PATH=/bin"]})
    with registry() as double:
        double.push(here, "1")
        yield double


def test_the_image_of_this_machine_is_pulled_by_its_pinned_name(served, tmp_path):
    provision = Provision(tmp_path / "cache")
    found = pull(registry_name(served.name("1")), provision, print)
    assert found.name.digest == served.digest
    (layer,) = read_external(str(found.layout)).layers
    assert f"/v2/test/image/manifests/{served.digest}" in served.asked
    # By its digest it is in the cache, and nobody is asked.
    served.asked.clear()
    again = pull(registry_name(served.name(served.digest)), provision, print)
    assert (again.layout, served.asked) == (found.layout, [])
    assert layer.diff_id == read_external(str(again.layout)).layers[0].diff_id


def test_a_name_that_the_registry_does_not_have_is_said(served, tmp_path):
    with pytest.raises(Exception, match=r"skopeo cannot read it: .*manifest unknown.*Check the name"):
        pull(registry_name(served.name("2")), Provision(tmp_path / "cache"), print)


def test_a_run_in_a_registrys_image_records_its_digest_and_goes_on_with_it(
    served, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARE_CACHE", str(default_cache()))
    words = [
        "run",
        "--image",
        served.name("1"),
        "--runners",
        "bare",
        "--blocks",
        "1",
        "--no-report",
        "--json",
    ]
    assert main([*words, "--", "/bin/busybox", "true"]) == 0
    (run,) = (tmp_path / "results" / "runs").iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["provenance"]["images"] == [f"{served.name('1')}@{served.digest}"]
    # The tag moves on; the run that is gone on with keeps the image that it had.
    manifest["status"] = "interrupted"
    (run / "manifest.json").write_text(json.dumps(manifest))
    served.push(layout(tmp_path / "newer", [tar(("bin/none", b"x"))]), "1")
    served.asked.clear()
    capsys.readouterr()
    assert main(["run", "--resume", run.name, "--no-report"]) == 0, capsys.readouterr()
    assert [path for path in served.asked if "manifests" in path] == []
