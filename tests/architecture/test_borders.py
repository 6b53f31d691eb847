"""Hold two laws of values: nobody reads notes, and no dictionary of strings crosses from one part to another."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from functools import cache

from support.imports import modules, named, resolve, tree

READERS = (
    "reports",
    "results.judgement",
    "results.statistics",
    "results.tables",
    "bench.analysis",
    "bench.commands",
)
"""Where trials and manifests are read: what is needed of them there is a field."""

NOTES = {
    "reports.content.comparison": "fairness notes of comparisons: sentences that it lists",
    "reports.content.sections.notes": "fairness notes of comparisons: sentences that it lists",
    "reports.summaries.notes": "fairness notes of comparisons: sentences that it numbers",
    "reports.render.changes": "fairness notes of comparisons: sentences that it lists",
    "results.judgement.within_run": "adds a sentence to the fairness notes of a comparison",
}
"""Module → why an attribute ``notes`` is read there that belongs to neither a trial nor a manifest."""

MAPPINGS = {"Mapping", "MutableMapping", "dict"}
LOOSE = {"(str, Any)", "(str, object)"}

EXCEPTIONS = {
    "*.context": "an open set of facts that must agree: compared and shown as a whole",
    "*.parameters": "identity that each workload names itself: compared and shown as a whole",
    "reports.exports.series.case_title": "shows parameters as they were recorded",
    "results.record.Manifest.host": "facts of any host, shown as a whole; host_class picks those that name its class",
    "runners.host.facts.*": "makes and selects the facts of the host, as above",
    "results.record.Manifest.*image*": "hashes of layers and programs, shown as a whole",
    "runners.images.image.Image.record": "makes the record of an image for the manifest",
    "results.record.Manifest.plan": "plan and request as JSON, of which bench.planning makes values again",
    "results.plan.RequestRecord.*": "settings as JSON, of which bench.request makes values again",
    "results.toml_files.read_toml": "a document of any form, of which its reader makes values at once",
    "runners.guests.kvm.baseline.as_json": "JSON for `doctor --json`",
    "runners.containers.engines.api.DockerApi.*": "answers of Docker's API, as Docker defines them",
    "runners.host.files.read_object": "a decoded document, of which each reader makes values",
    "runners.containers.engines.private.PrivateDocker.state": "a JSON file that only this class writes and reads",
    "runners.provision.cache.Cache.*": "what the maker of a cache entry keeps with it, as JSON; read by its maker alone",
}
"""Pattern of dotted names → why a dictionary of strings may cross from one part to another there."""


def reads_notes(module):
    if ".notes" not in modules()[module].read_text("utf-8"):
        return []
    return [
        node.lineno
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr == "notes" and isinstance(node.ctx, ast.Load)
    ]


def is_loose(annotation):
    """Tell whether a type somewhere in an annotation is a mapping from text to anything."""
    return any(
        isinstance(node, ast.Subscript)
        and ast.unparse(node.value).rpartition(".")[2] in MAPPINGS
        and ast.unparse(node.slice) in LOOSE
        for node in ast.walk(annotation)
    )


def annotated(body, prefix):
    """Give every annotation of a public name, dotted, with the class's or function's name at the front."""
    for node in body:
        match node:
            case ast.ClassDef() if not node.name.startswith("_"):
                yield from annotated(node.body, f"{prefix}.{node.name}")
            case ast.FunctionDef() if not node.name.startswith("_"):
                arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                given = [a.annotation for a in arguments] + [node.returns]
                yield from ((f"{prefix}.{node.name}", one) for one in given if one is not None)
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                yield f"{prefix}.{name}", node.annotation


@cache
def crossing():
    """Give (module, name) of what modules of other parts import; ``*`` where a module is imported as a whole."""
    found = set()
    for module in modules():
        part = module.partition(".")[0]
        for dotted, _, _ in named(module):
            above, _, name = dotted.rpartition(".")
            whole = resolve(dotted)
            source = whole or resolve(above)
            if source and source.partition(".")[0] != part:
                found.add((source, "*" if whole else name))
    return found


def crosses(module, dotted):
    name = dotted.removeprefix(f"{module}.").partition(".")[0]
    return bool({(module, name), (module, "*")} & crossing())


def loose():
    """Give the dotted names by which a dictionary of strings crosses from one part to another."""
    return sorted(
        {
            name
            for module in modules()
            for name, annotation in annotated(tree(module).body, module)
            if is_loose(annotation) and crosses(module, name)
        }
    )


def test_nobody_reads_notes():
    readers = [m for m in modules() if m.startswith(READERS) and m not in NOTES]
    assert {module: lines for module in readers if (lines := reads_notes(module))} == {}
    assert [module for module in NOTES if not reads_notes(module)] == [], "no longer an exception"


def test_no_dictionary_of_strings_crosses_from_one_part_to_another():
    found = loose()
    unexplained = [name for name in found if not any(fnmatchcase(name, one) for one in EXCEPTIONS)]
    assert unexplained == []
    stale = [one for one in EXCEPTIONS if not any(fnmatchcase(name, one) for name in found)]
    assert stale == [], "no longer an exception"
    assert all(len(reason) > 20 for reason in (*EXCEPTIONS.values(), *NOTES.values()))


def test_loose_annotations_are_found():
    for text in ("dict[str, Any]", "Mapping[str, object] | None", "list[dict[str, Any]]"):
        assert is_loose(ast.parse(text, mode="eval").body)
    for text in ("dict[str, int]", "Mapping[str, Limits]", "Any"):
        assert not is_loose(ast.parse(text, mode="eval").body)
