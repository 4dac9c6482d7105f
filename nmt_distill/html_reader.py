"""Python's reader of HTML, but as browsers read some odd pages, on which its versions give up or differ."""

from __future__ import annotations

from html.parser import HTMLParser

CDATA = "<![CDATA["


class HtmlReader(HTMLParser):
    """Takes ``<![`` that begins no CDATA for a comment up to the next ``>``, and finds no tags where HTML has none."""

    # https://html.spec.whatwg.org/#parsing-html-fragments; older versions of Python know script and style alone
    CDATA_CONTENT_ELEMENTS = (  # type: ignore[misc]
        *("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"),
    )

    def parse_html_declaration(self, i: int) -> int:
        """Return where the declaration at ``i`` ends, or -1."""
        if self.rawdata.startswith("<![", i) and not self.rawdata.startswith(CDATA, i):
            return int(self.parse_bogus_comment(i))
        return int(super().parse_html_declaration(i))
