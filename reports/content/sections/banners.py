"""Build the banners, which the reader must see before the first number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Item, Node, Notice, Section

if TYPE_CHECKING:
    from tare.reports.content.page import Page

_MOST_PROBLEMS = 20
"""Defects of a file that are listed; a damaged file may have one in each of a million lines."""


def section(page: Page) -> Section | None:
    """Warn of quick, imported, emulated, unfinished and damaged runs, and of an unusable KVM; ``None`` without warnings."""
    words, given = page.words, page.summary.given
    body: list[Node] = []
    if given.manifest.mode == "quick":
        body.append(Notice(words("banner.quick_title"), words("banner.quick")))
    if given.manifest.mode == "imported":
        body.append(Notice(words("banner.imported_title"), words("banner.imported")))
    if page.summary.emulated:
        body.append(
            Notice(words("banner.tcg_title"), words("banner.tcg", runners=", ".join(page.summary.emulated)))
        )
    if (baseline := page.summary.kvm_baseline) and page.summary.kvm_on_request:
        told = words(
            "banner.kvm",
            runners=", ".join(page.summary.kvm_on_request),
            reason=page.woven(baseline.reason),
        )
        body.append(Notice(words("banner.kvm_title"), told))
    if given.manifest.status != "complete":
        status = given.manifest.status
        body.append(Notice(words(f"banner.{status}_title"), words(f"banner.{status}")))
    if given.manifest.not_undone:
        told = words(
            "banner.not_undone",
            what=words.row(page.recorded(one).rstrip(".") for one in given.manifest.not_undone),
        )
        body.append(Notice(words("banner.not_undone_title"), told, kind="problem"))
    if given.problems:
        title = words("banner.problems_title", n=len(given.problems))
        body.append(Notice(title, words("banner.problems"), kind="problem"))
        body.append(
            Bullets(
                tuple(
                    Item(
                        f"{page.recorded(p.what)} {p.excerpt}".strip(),
                        label=words("banner.problem_line", line=p.line, kind=words(f"problem.{p.kind}")),
                        recorded=True,
                    )
                    for p in given.problems[:_MOST_PROBLEMS]
                )
            )
        )
        if (rest := len(given.problems) - _MOST_PROBLEMS) > 0:
            body.append(Bullets((Item(words("banner.problems_more", n=rest)),)))
    return Section("banners", "", tuple(body)) if body else None
