"""Read tar archives made elsewhere within bounds: Python's reader trusts sizes, follows them backwards and recurses."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Self

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_HEADER_BYTES = 1 << 20
"""Size of a name or of extended headers; the reader holds them in memory."""

MOST_MEMBERS = 2_000_000
"""Members of one archive; images of whole distributions have some hundred thousand."""

MOST_SPARSE_BYTES = 1 << 30
"""Size that a member may have beyond what the archive holds of it: its holes would be written as zeros."""

DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError)
"""Exceptions of the reader for an archive that is damaged, or made to harm."""

_EXTENSIONS = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)


class BoundedInfo(tarfile.TarInfo):
    """Header of a member, refused before its extension is read into memory if that is too long."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """Read the next header; refuse a damaged one, which `tarfile` takes for the end if it is not the first.

        Raises:
            tarfile.ReadError: it is damaged or cut off.
        """
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]  # not in its stubs
            raise tarfile.ReadError(
                say("tar.damaged", "a header is damaged: {error}", error=error)
            ) from error

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise tarfile.ReadError(say("tar.negative", "a member has a negative size"))
        if self.type in _EXTENSIONS and self.size > LONGEST_HEADER_BYTES:
            raise tarfile.ReadError(say("tar.header", "a header has {size} bytes", size=self.size))
        return super()._proc_member(tarfile_)  # type: ignore[misc, no-any-return]  # not declared, though subclasses may replace it


def members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive that was opened with :class:`BoundedInfo`, and forget them again.

    Raises:
        tarfile.TarError: there are too many, or one has an impossible size.
    """
    for _number in range(MOST_MEMBERS):
        member = archive.next()
        if member is None:
            return
        # By an extended header, which some readers follow backwards for ever, and others take for none.
        if member.size < 0 or member.pax_headers.get("size", "").startswith("-"):
            raise tarfile.ReadError(
                say("tar.negative_name", "{name!r} has a negative size", name=member.name)
            )
        if member.sparse is not None and member.size > MOST_SPARSE_BYTES:
            raise tarfile.ReadError(say(
                "tar.not_there", "{name!r} is a file of {size} bytes that are not there",
                name=member.name, size=member.size,
            ))  # fmt: skip
        yield member
        archive.members.clear()  # type: ignore[attr-defined]  # else each costs a kilobyte until the end
    raise tarfile.ReadError(
        say("tar.most_members", "it has more than {most_members} members", most_members=MOST_MEMBERS)
    )
