"""Pack what is very large on a page: tables and figures of a run of twenty runners are three quarters of it, and mostly alike."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from tare.reports.text.words import Words

PACKED_FROM = 150_000
"""Length of the markup of a table or figure from which it is packed; those of a run of five runners are shorter."""


def packed(markup: Markup, words: Words) -> Markup:
    """Compress markup that is very large, for the page's script to unpack as soon as the page is loaded.

    A reader without scripts is told where its numbers are.
    """
    if len(markup) < PACKED_FROM:
        return markup
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    small = deflate.compress(markup.encode("utf-8", "surrogatepass")) + deflate.flush()
    return Markup(
        '<script type="application/octet-stream" class="packed">{}</script><noscript><p>{}</p></noscript>'
    ).format(base64.b64encode(small).decode(), words("page.packed"))
