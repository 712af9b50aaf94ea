"""The file formats by name, for people: what each holds, and by what it is recognised. No reader is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Described:
    """A format as people know it; `written`: the words of `reading export --format` that write it."""

    title: str
    holds: str
    recognised_by: str
    written: tuple[str, ...] = ()


FORMATS: Mapping[str, Described] = {
    "csv": Described(
        "CSV",
        "intervals, power or cumulative registers; one reading a row (long), or one day a row (wide)",
        "a column of dates and one of numbers",
        ("csv", "wide-csv"),
    ),
    "parquet": Described("Parquet", "the same columns as CSV", "the file's magic bytes", ("parquet",)),
    "nem12": Described(
        "NEM12",
        "AEMO MDFF: NEM12 intervals of 5 to 30 minutes, NEM13 register reads",
        "record indicators `100`, `200`, `300`, `250`",
        ("nem12", "nem13"),
    ),
    "cmep": Described(
        "CMEP", "intervals and register reads of `MEPMD01` records", "a line that begins with a record type", ("cmep",)
    ),
    "mscons": Described(
        "MSCONS",
        "EDIFACT: intervals and register reads of metering points, by OBIS code",
        "the service segment `UNA` or `UNB`",
        ("mscons",),
    ),
    "green-button": Described(
        "Green Button",
        "ESPI: IntervalBlocks of usage points with their reading types, in an Atom feed",
        "the namespace of ESPI, or of Atom",
        ("green-button",),
    ),
    "cim-xml": Described(
        "CIM XML",
        "IEC 61968-9 MeterReadings: interval blocks and readings; EndDeviceEvents: what devices report",
        "a namespace of IEC TC 57",
        ("cim-xml",),
    ),
    "dk-datahub": Described(
        "DataHub",
        "time series of metering points as the Danish DataHub sends them: CIM XML, CIM JSON or ebIX",
        "a market document as JSON, or a namespace of ediel.org or ebIX",
    ),
}


def titles() -> str:
    """Return the formats that are read, in words."""
    *most, last = (each.title for each in FORMATS.values())
    return f"{', '.join(most)} or {last}"


def reference() -> Iterator[str]:
    """Yield the lines of the table of formats in the reference."""
    yield "| format | name | what it holds | recognised by | exported as |"
    yield "|---|---|---|---|---|"
    for name, each in FORMATS.items():
        written = ", ".join(f"`{one}`" for one in each.written) or "not exported"
        yield f"| `{name}` | {each.title} | {each.holds} | {each.recognised_by} | {written} |"
