"""Import files of other tools as runs.

Each format is a module with ``NAME``, ``SUMMARY``, ``fits`` and ``read``; a new one is one module and one entry here.
Modules of JSON formats get the decoded document, that of tables gets text.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tare.results.errors import NotWritten
from tare.results.garbage import no_collection
from tare.results.imports import documents, fio, hyperfine, pyperf, pytest_benchmark, tidy
from tare.results.imports.model import Imported, ImportFault
from tare.results.record import FORMAT_VERSION, ImportSource, Manifest, Provenance
from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter, new_run_id

if TYPE_CHECKING:
    from pathlib import Path


class Import(Protocol):
    """A module that reads one format."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """Name of the format for ``--format``."""

    @property
    def SUMMARY(self) -> str:  # noqa: N802
        """Description of the format in one line."""

    def fits(self, document: Any) -> bool:
        """Return whether the document (or text) looks like this format. Never raises."""

    def read(self, document: Any, where: str) -> Imported:
        """Read the whole document.

        Args:
            document: Decoded JSON, or text.
            where: Name of the file, for errors.

        Raises:
            ImportFault: the document is not valid; the text names the line or field.
        """


JSON_FORMATS: tuple[Import, ...] = (hyperfine, pytest_benchmark, pyperf, fio)
FORMATS: tuple[Import, ...] = (tidy, *JSON_FORMATS)


def read_file(path: Path, format_name: str = "") -> tuple[Imported, str]:
    """Read a file of another tool; return its contents and the name of its format.

    Args:
        path: The file; it may be compressed by gzip.
        format_name: Name of one of :data:`FORMATS`; detected if empty.

    Raises:
        ImportFault: the file cannot be read, or is not valid.
    """
    return _read(documents.read_bytes(path), documents.harmless(path.name), format_name)


def _read(data: bytes, where: str, format_name: str) -> tuple[Imported, str]:
    chosen = {one.NAME: one for one in FORMATS}.get(format_name)
    if format_name and chosen is None:
        raise ImportFault(say(
            "import.no_format", "there is no format {format_name!r}; known formats: {names}.",
            format_name=format_name, names=", ".join(f.NAME for f in FORMATS),
        ))  # fmt: skip
    try:
        with no_collection():
            return _decoded(data, where, chosen)
    except MemoryError:
        raise ImportFault(
            say("import.too_large", "{where} does not fit into this machine's memory.", where=where)
        ) from None


def _decoded(data: bytes, where: str, chosen: Import | None) -> tuple[Imported, str]:
    text = documents.text_of(data, where)
    if not text.strip():
        raise ImportFault(say("import.empty", "{where} is empty.", where=where))
    if chosen is tidy or (chosen is None and not _is_json(text)):
        return _not_empty(tidy.read(text, where), where), tidy.NAME
    document = documents.document_of(text, where)
    chosen = chosen or next((one for one in JSON_FORMATS if one.fits(document)), None)
    if chosen is None:
        known = ", ".join(one.NAME for one in JSON_FORMATS)
        raise ImportFault(say(
            "import.other_json", "{where} is JSON, but of no format known here ({known}). Is it the right file?",
            where=where, known=known,
        ))  # fmt: skip
    return _not_empty(chosen.read(document, where), where), chosen.NAME


def import_file(
    path: Path,
    results_dir: Path,
    *,
    name: str = "",
    format_name: str = "",
    provenance: Provenance | None = None,
) -> Path:
    """Import a file as a run; return the run's folder, which appears complete or not at all.

    Args:
        path: The file.
        results_dir: Folder of the runs.
        name: Name of the run; that of the file if empty.
        format_name: Name of the format; detected if empty.
        provenance: Origin to record.

    Raises:
        ResultError: the file is not valid.
        NotWritten: the run cannot be written.
    """
    data = documents.read_bytes(path)
    file = documents.harmless(path.name)
    imported, found = _read(data, file, format_name)
    manifest = Manifest(
        format=FORMAT_VERSION,
        run=new_run_id(),
        name=documents.harmless(name) or file.partition(".")[0],
        created=imported.moment or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        mode="imported",
        seed=0,
        status="running",
        host={},
        context=imported.context,
        plan={},
        versions={},
        image={},
        imported=ImportSource(
            file=file,
            sha256=hashlib.sha256(data).hexdigest(),
            format=found,
            ignored_columns=imported.ignored_columns,
            medians_only=imported.medians_only,
            metadata=imported.metadata,
        ),
        provenance=_provenance(provenance, imported.commit),
    )
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        with scratch_folder("import", results_dir) as draft:
            return _written(draft, manifest, imported).rename(results_dir / manifest.run)
    except (OSError, NotWritten) as error:
        # What the writer says of a run that can be gone on with is not true of an import.
        cause = error if isinstance(error, OSError) else error.__cause__
        raise NotWritten(say(
            "import.not_written", "cannot write to {results_dir}: {strerror}. Choose another --results-dir.",
            results_dir=results_dir, strerror=cause.strerror if isinstance(cause, OSError) else cause,
        )) from error  # fmt: skip


def _provenance(given: Provenance | None, commit: str) -> Provenance | None:
    """Name the commit that the file says was measured, not the one that happens to be checked out here."""
    if not commit:
        return given
    return msgspec.structs.replace(given or Provenance(), commit=commit, branch="", dirty=None)


def _written(draft: Path, manifest: Manifest, imported: Imported) -> Path:
    """Write the run below a folder and return its own."""
    with RunWriter.create(draft, manifest) as writer:
        for number, trial in enumerate(imported.trials):
            writer.append(msgspec.structs.replace(trial, run=manifest.run, number=number))
        writer.finish("complete")
    # Loaded once, so that no run is reported as imported that later cannot be read.
    load_run(writer.path)
    return writer.path


def _is_json(text: str) -> bool:
    """Return whether the text is JSON and no table; fio may print remarks in front of its JSON."""
    return not tidy.fits(text) and ("{" in text or text.lstrip()[0] == "[")


def _not_empty(imported: Imported, where: str) -> Imported:
    if not imported.trials:
        raise ImportFault(say("import.no_results", "{where} holds no results.", where=where))
    return imported
