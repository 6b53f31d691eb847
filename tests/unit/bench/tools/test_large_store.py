import json

import pytest

from tare.bench.__main__ import main
from tare.bench.tools import large_store


@pytest.mark.slow
def test_a_generated_store_has_the_planted_change_and_no_other(tmp_path, monkeypatch, capsys):
    pytest.importorskip("duckdb", reason="the extra `sql`")
    monkeypatch.chdir(tmp_path)
    large_store.make_store(tmp_path / "store", 30 * 500, 30)
    assert main(["history", "--json", "--all-metrics", "--store", str(tmp_path / "store")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["series"]) == large_store.WORKLOADS * large_store.RUNNERS * len(large_store.METRICS)
    assert large_store._is_planted(found, 30)
    assert not large_store._is_planted(found, 27)
