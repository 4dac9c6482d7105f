"""Python's reader of HTML, but for one kind of odd page on which it gives up."""

from __future__ import annotations

from html.parser import HTMLParser

CDATA = "<![CDATA["


class HtmlReader(HTMLParser):
    """Takes ``<![`` that begins no CDATA for a comment up to the next ``>``, as browsers do."""

    def parse_html_declaration(self, i: int) -> int:
        """Return where the declaration at ``i`` ends, or -1."""
        if self.rawdata.startswith("<![", i) and not self.rawdata.startswith(CDATA, i):
            return int(self.parse_bogus_comment(i))
        return int(super().parse_html_declaration(i))
