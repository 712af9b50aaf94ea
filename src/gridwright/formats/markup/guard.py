"""What stands before the root element, and what is refused: document types, entities, encodings that hide tags."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from html import unescape

from gridwright.domain.errors import UnreadableFile
from gridwright.domain.verdict import Evidence

BLANKS = b" \t\r\n"
BOM = b"\xef\xbb\xbf"
WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
PROLOG_BYTES = 1 << 20
SKIPPED = re.compile(rb"\s*(?:<\?.*?\?>|<!--.*?-->)", re.DOTALL)
DECLARED = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
ROOT = re.compile(rb"\s*<(?:([A-Za-z_][\w.\-]*):)?([A-Za-z_][\w.\-]*)((?:\s[^<>]*)?)>")
ATTRIBUTE = re.compile(rb"(?<![\w:.\-])([\w:.\-]+)\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')")
# Text that tags and numbers are made of: an encoding that writes it otherwise cannot be searched byte by byte.
PLAIN = "<>/=\"'&;!?-:_. 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")


@dataclass(frozen=True, slots=True)
class Prolog:
    """The root element of a document (local name, prefix, namespace) and the encoding of its texts.

    `evidence`: the encoding, where it is another one than is declared.
    """

    root: str
    prefix: str
    namespace: str
    encoding: str
    evidence: tuple[Evidence, ...] = ()

    def tag(self, name: str) -> bytes:
        """Return a name as the root's namespace prefix writes it, without brackets."""
        return (f"{self.prefix}:{name}" if self.prefix else name).encode()

    def text(self, raw: bytes) -> str:
        """Return a text of the document without blanks around it, its five entities and character references read."""
        shown = raw.decode(self.encoding, "replace").strip()
        return ENTITY.sub(lambda match: unescape(match.group()), shown) if "&" in shown else shown

    def name(self, raw: bytes) -> str:
        """Return a text that names something; empty where it shows damage: a `>`, or a `&` that refers to nothing."""
        damaged = b">" in raw or "&" in ENTITY.sub("", raw.decode(self.encoding, "replace"))
        return "" if damaged else self.text(raw)


def head_holds(head: bytes, *marks: bytes) -> bool:
    """Tell whether the beginning of a file is markup that names one of `marks`."""
    return head.removeprefix(BOM).lstrip(BLANKS)[:1] == b"<" and any(mark in head for mark in marks)


def read_prolog(data: memoryview, file_name: str) -> Prolog:
    """Find the root element; UnreadableFile for what cannot be or must not be read."""
    head = bytes(data[:PROLOG_BYTES])
    if not head.strip():
        raise UnreadableFile("the file is empty", where=file_name)
    if head.startswith(WIDE_BOMS) or b"\0" in head[:8]:
        raise UnreadableFile("UTF-16, UTF-32 or binary", where=file_name, remedy="save it as UTF-8")
    head = head.removeprefix(BOM)
    declared = DECLARED.match(head)
    encoding, told = _encoding(declared.group(1).decode() if declared else "utf-8", data, file_name)
    place = 0
    while skipped := SKIPPED.match(head, place):
        place = skipped.end()
    _refuse_declarations(head, place, file_name)
    root = ROOT.match(head, place)
    if root is None:
        line = 1 + head.count(b"\n", 0, place)
        raise UnreadableFile("no root element", where=f"{file_name} line {line}", remedy="is it XML, and whole?")
    prefix, name = ((root.group(at) or b"").decode("ascii", "replace") for at in (1, 2))
    wanted = f"xmlns:{prefix}" if prefix else "xmlns"
    return Prolog(name, prefix, attributes(root.group(3)).get(wanted, ""), encoding, told)


def attributes(raw: bytes) -> dict[str, str]:
    """Return the attributes of a tag, as they are written."""
    return {
        name.decode("utf-8", "replace"): (double or single).decode("utf-8", "replace")
        for name, double, single in ATTRIBUTE.findall(raw)
    }


def is_sound(raw: bytes) -> bool:
    """Tell whether a tag holds attributes and nothing else."""
    return not ATTRIBUTE.sub(b"", raw).strip(BLANKS + b"/")


def fault(message: str, file_name: str, line: int = 0, remedy: str = "") -> UnreadableFile:
    """Return the error of a file, with its line where there is one."""
    return UnreadableFile(message, where=f"{file_name} line {line}" if line else file_name, remedy=remedy)


def _refuse_declarations(head: bytes, place: int, file_name: str) -> None:
    """Refuse a document type: its entities can read files of this machine, call servers or fill the memory."""
    place += len(head[place:]) - len(head[place:].lstrip())
    rest, line = head[place : place + 64], 1 + head.count(b"\n", 0, place)
    if rest.startswith(b"<!--"):
        raise fault("a comment without an end", file_name, line, "fetch the file again")
    if rest.startswith(b"<!"):
        word = (rest[2:].split(maxsplit=1) or [b""])[0].decode("ascii", "replace")[:20]
        raise fault(
            f"<!{word} is refused: readings need no document type and no entities",
            file_name,
            line,
            "ask the sender for the file without it",
        )


def _encoding(name: str, data: memoryview, file_name: str) -> tuple[str, tuple[Evidence, ...]]:
    """Return the codec of a declared encoding, and what tells that the bytes are in another one.

    What declares UTF-16 and is none, as its tags show byte by byte, was a text before it was written: some exporters
    declare how their memory holds it. Then the whole of it must be UTF-8, for other bytes may mean anything.
    """
    plain = written = PLAIN.encode("ascii")
    try:
        codec = codecs.lookup(name).name
        written = PLAIN.encode(codec)
    except (LookupError, UnicodeError, ValueError):
        pass
    else:
        if written == plain:
            return codec, ()
    if len(written) == len(plain):
        raise UnreadableFile(f"encoding {name!r} is not read", where=file_name, remedy="save it as UTF-8")
    if not _is_utf8(data):
        reason = f"it declares the encoding {name!r}, and its bytes are neither that nor UTF-8"
        raise UnreadableFile(reason, where=file_name, remedy="save it as UTF-8")
    return "utf-8", (Evidence("encoding", "UTF-8", f"its bytes are, though it declares {name}"),)


def _is_utf8(data: memoryview) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), PROLOG_BYTES):
            decoder.decode(bytes(data[start : start + PROLOG_BYTES]))
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
