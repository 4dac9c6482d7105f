"""How a page of HTML is encoded, as browsers find it out: by its mark, by what it declares, or else UTF-8."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from nmt_distill.documents.document import DocumentError, Encoded, decode

_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"""<meta\s[^>]{0,200}?\bcharset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_HEAD_BYTES = 8192
"""how far a declaration is looked for"""
_PRINTABLE = bytes(range(0x20, 0x7F))
_AS_BROWSERS = {"gb2312": "gbk", "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-9": "cp1254", "tis_620": "cp874"}
"""what a name means to browsers; all hold what the named one does (https://encoding.spec.whatwg.org/#names-and-labels)"""


def decode_page(content: bytes, path: Path) -> Encoded:
    """Read a page; what its encoding lacks will be written as ``&#8211;``.

    :raises DocumentError: if it is not of the encoding that it declares
    """
    name = _declared(content, is_xml=path.suffix.lower() == ".xhtml")
    if name in {None, "utf-8"} or content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return decode(content, path)
    if name in {"ascii", "iso8859-1"}:
        # windows-1252 to browsers and Latin-1 to readers of XML: where both read the same, both shall in the end
        encoding = "ascii" if content.isascii() else "cp1252" if re.search(rb"[\x80-\x9f]", content) else "latin-1"
    else:
        encoding = _AS_BROWSERS.get(name, name)
    try:
        return Encoded(text=content.decode(encoding), encoding=encoding, errors="xmlcharrefreplace")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DocumentError(
            path, line, f"not valid {encoding}, which it declares; correct its declaration or convert it with iconv"
        ) from None


def _declared(content: bytes, *, is_xml: bool) -> str | None:
    """Return Python's name of the encoding that a page declares, if that is one of text that holds ASCII."""
    head = _COMMENT.sub(b"", content[:_HEAD_BYTES])
    found = [_META.search(head), _XML.match(head)]
    match = next((match for match in (reversed(found) if is_xml else found) if match is not None), None)
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1].decode("ascii")).name
        return name if _PRINTABLE.decode(name) == _PRINTABLE.decode("ascii") else None
    except (LookupError, UnicodeError):
        return None
