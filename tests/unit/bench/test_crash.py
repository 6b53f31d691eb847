"""The report of a crash is written somewhere, or nowhere, but writing it never fails."""

import tempfile

from tare.bench import crash


def test_it_goes_to_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TARE_CACHE", str(tmp_path))
    kept = crash.keep(ValueError("of \udcff"), ["run", "\udcff"])
    assert kept.parent == tmp_path / "crashes"
    assert "ValueError: of \\udcff" in kept.read_text("utf-8")


def test_whatever_is_wrong_with_the_cache_it_goes_elsewhere(tmp_path, monkeypatch):
    def broken():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(crash, "default_cache", broken)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert crash.keep(ValueError(), []).parent == tmp_path


def test_where_nothing_can_be_written_there_is_no_report(tmp_path, monkeypatch):
    def broken():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(crash, "default_cache", broken)
    monkeypatch.setattr(tempfile, "gettempdir", broken)
    assert crash.keep(ValueError(), []) is None
