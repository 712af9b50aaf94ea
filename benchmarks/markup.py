"""How fast XML interchange files are read: bytes to readings with verdicts, detection included, beside iterparse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from io import BytesIO

import numpy as np

from benchmarks.harness import Peer, Row, main, timed
from benchmarks.parse import read
from gridwright.domain.panel import Panel
from gridwright.formats.cim_xml import CIM_XML, CIM_XML_WRITER
from gridwright.formats.green_button import GREEN_BUTTON, GREEN_BUTTON_WRITER

START = datetime(2024, 1, 1, tzinfo=UTC)
SLOTS = 96


def rows(*, quick: bool) -> Iterator[Row]:
    """Read some homes' quarter-hours as Green Button (as written, and indented as utilities do) and MeterReadings."""
    homes, days = (20 if quick else 60), 30
    values = np.random.default_rng(3).integers(0, 3000, (homes, days * SLOTS)).astype(float)
    panel = Panel(tuple(f"HOME-{home:03d}" for home in range(homes)), START, timedelta(minutes=15), values)
    espi = b"".join(GREEN_BUTTON_WRITER.write([panel], [], {}))
    cim = b"".join(CIM_XML_WRITER.write([panel], [], {}))
    for name, reader, text, record in (
        ("espi", GREEN_BUTTON, espi, "{http://naesb.org/espi}IntervalReading"),
        ("espi_indented", GREEN_BUTTON, indented(espi), "{http://naesb.org/espi}IntervalReading"),
        ("cim_61968_9", CIM_XML, cim, "{http://iec.ch/TC57/2011/MeterReadings#}IntervalReadings"),
    ):
        yield _measured(name, partial(read, reader, text), partial(plain_lxml, text, record), values.size)


def _measured(name: str, ours: Callable[[], int], theirs: Callable[[], int], readings: int) -> Row:
    if ours() != readings or theirs() != readings:
        raise SystemExit(f"{name}: not every reading came back")
    rate, other = readings / timed(ours).cpu_s, readings / timed(theirs).cpu_s
    return Row(name, rate, "readings/s", ">= 3e5", Peer("lxml iterparse alone", other, rate / other))


def indented(text: bytes) -> bytes:
    """Return a feed with a line and tabs for every tag of a reading, as most feeds come."""
    for tag in (b"ReadingQuality", b"quality", b"timePeriod", b"duration", b"start", b"value", b"/timePeriod"):
        text = text.replace(b"<" + tag + b">", b"\n\t\t\t\t\t<" + tag + b">")
    return text.replace(b"</IntervalReading>", b"\n\t\t\t\t</IntervalReading>")


def plain_lxml(text: bytes, record: str) -> int:
    """Read start or stamp and value of each reading with lxml's iterparse and nothing else."""
    etree = import_module("lxml.etree")
    found: list[tuple[str, str]] = []
    for _, element in etree.iterparse(BytesIO(text), tag=record):
        told = {one.tag.rpartition("}")[2]: one.text for one in element.iter() if isinstance(one.tag, str)}
        found.append((told.get("start") or told.get("timeStamp") or "", told["value"] or ""))
        element.clear()
    return len(found)


if __name__ == "__main__":
    main(rows)
