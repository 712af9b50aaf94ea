"""XML in UTF-16, told by its byte order mark or by the zero bytes of its first characters, as the same XML in UTF-8."""

from __future__ import annotations

import codecs
import re

PIECE = 1 << 20
HEAD_BYTES = 1024
MARKS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# UTF-32 begins with the mark of UTF-16, and a zero character behind it.
UTF_32 = codecs.BOM_UTF32_LE
BLANKS = "\ufeff \t\r\n"
DECLARED = re.compile(r"(<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"'])[A-Za-z0-9._-]+")


def encoding_of_markup(head: bytes) -> str:
    """Return utf-16-le or utf-16-be where the beginning of a file is XML in it; empty for anything else."""
    if head.startswith(UTF_32):
        return ""
    for mark, name in MARKS:
        if head.startswith((mark, "<".encode(name))):
            text = head[:HEAD_BYTES].decode(name, "replace").lstrip(BLANKS)
            return name if text[:1] == "<" and text[1:2] != "\0" else ""
    return ""


def to_utf8(data: memoryview, encoding: str) -> memoryview:
    """Return XML of another encoding as UTF-8 that declares itself so; its lines stay, half a character is U+FFFD."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = decoder.decode(bytes(data[:PIECE]), len(data) <= PIECE).lstrip("\ufeff")
    found = DECLARED.match(text.lstrip(BLANKS))
    if found is not None:
        text = text.replace(found[0], f"{found[1]}UTF-8", 1)
    whole = bytearray(text.encode())
    for start in range(PIECE, len(data), PIECE):
        last = start + PIECE >= len(data)
        whole += decoder.decode(bytes(data[start : start + PIECE]), last).encode()
    return memoryview(whole).toreadonly()
