"""Every entrance for readings, as a function from bytes to what became of them. A new one must be added here."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from gridwright.api.answer import Refused
from gridwright.api.edge.decode import Decoders, Kept, faults_of
from gridwright.api.edge.wire import read_batch
from gridwright.api.entrance import decode
from gridwright.api.entrance_lines import V1, V2
from gridwright.api.ingest.form import TAKEN, decode_form
from gridwright.api.ingest.lines import mapping_of
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.table import Decoded
from gridwright.api.outages import with_verdicts
from gridwright.domain.errors import GridwrightError
from gridwright.formats.container import unwrap
from gridwright.formats.source import ReadOptions
from gridwright.ingest import grid_series, merge
from gridwright.jobs.files.read_file import Gathered, open_files
from gridwright.jobs.grid.tell_outage import OutageDone, PointTold
from gridwright.listen.messages import Messages
from gridwright.listen.outages import read_outage
from gridwright.protocols.iec62056_21 import ProtocolError, parse_lines
from gridwright.settings import LineProtocolSettings, Settings, StoreSettings
from tests.fuzz import samples
from tests.fuzz.samples import Sample, sample_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(store=StoreSettings(url="sqlite://"))
DECODERS = Decoders(SETTINGS)
MAPPING = mapping_of(LineProtocolSettings(), 900)
# What an entrance answers when it takes nothing at all.
REFUSALS = (GridwrightError, Refused, ProtocolError)


@dataclass(frozen=True)
class Outcome:
    """What became of an input: readings taken (repeats too), records refused, what was said, readings without value."""

    taken: int
    refused: int = 0
    said: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    empty: int = 0


@dataclass(frozen=True)
class Entrance:
    """One way in: a sound sample, what takes it, and which part of the product it is (`covers`).

    `per_record`: readings that one refusal may stand for. `sees`: counts the readings of a changed input where bytes
    do not show them. `blind`: readings of a sample that is one record, or has none that a plain reader finds.
    """

    name: str
    covers: str
    make: Callable[[], Sample]
    take: Callable[[bytes], Outcome]
    per_record: int = 1
    sees: Callable[[bytes], int] | None = None
    markup: bool = False
    blind: int = 1

    @property
    def sample(self) -> Sample:
        """The sound sample."""
        return sample_of(self.make)

    def seen(self, data: bytes) -> int:
        """Return how many readings a plain reader still sees in a changed input."""
        return samples.seen(self.sample, data, markup=self.markup) if self.sees is None else self.sees(data)


def of_file(data: bytes, name: str = "a.dat") -> Outcome:
    """Read a file as the import does: out of its container, found out, decoded, laid on grids."""
    files, failures = open_files(unwrap(memoryview(data), name), ReadOptions())
    gathered, reported = Gathered(), 0
    for file in files:
        for _, decoded in file.chunks():
            gathered.add(decoded)
            reported += len(decoded.reports)
    tally = grid_series(merge(gathered.series), not_after=int(NOW.timestamp())).tally
    taken = tally.accepted + tally.repeated + tally.conflicting + reported
    refused = gathered.rejected + tally.rejected
    rejects = (*gathered.rejects, *tally.listed)
    assert all(one.reason and one.line >= 0 for one in rejects)
    assert len(rejects) >= min(refused, 1)
    numbers = [float(one) for series in gathered.series for one in series.value]
    said = tuple(one.reason for one in rejects) + tuple(gathered.notes) + tally.notes + tuple(failures)
    return Outcome(taken, refused, said, tuple(numbers), tally.missing)


def reads_of_pairs(data: bytes) -> int:
    """Return how many reads pairs hold at least that are seen: one that ends a pair and begins the next is one."""
    pairs = samples.seen(sample_of(samples.nem13), data, markup=False)
    return pairs + bool(pairs)


def of_decoded(decoded: Decoded) -> Outcome:
    """Return what a decoder of the interfaces made of a request."""
    verdicts = decoded.verdicts
    assert verdicts.accepted == sum(part.size for part in decoded.series) + len(decoded.few)
    numbers = [float(one) for part in decoded.series for one in part.value] + [one.counts for one in decoded.few]
    said = tuple(one.fault.reason for one in verdicts.listed) + tuple(verdicts.notes)
    assert len(verdicts.listed) >= min(verdicts.rejected, 1)
    assert all(said)
    return Outcome(verdicts.accepted, verdicts.rejected, said, tuple(numbers))


def of_body(kind: str, data: bytes) -> Outcome:
    return of_decoded(decode(kind, data, Said(interval_s=1800), NOW))


def of_form(media: str, data: bytes) -> Outcome:
    return of_decoded(decode_form(data, media, NOW))


def of_address(path: str, data: bytes) -> Outcome:
    return of_decoded(DECODERS.decode(Kept(path, "", "", data), NOW))


def of_message(topic: str, data: bytes) -> Outcome:
    messages = Messages(MAPPING, ("meters/{usage_point}/{quantity}",))
    return of_decoded(messages.take(topic, data, NOW).decoded)


def of_outage(data: bytes) -> Outcome:
    """Take a message about an outage: it is one record, and no reading; each of its usage points has a verdict."""
    try:
        named = read_outage(data).named
    except Wrong as wrong:
        return Outcome(0, 1, (wrong.fault.reason,))
    _, verdicts = with_verdicts(named, lambda names: OutageDone(0, tuple(map(PointTold, names))))
    if verdicts.accepted + verdicts.rejected != len(named):
        raise AssertionError("a usage point has no verdict")
    return Outcome(
        min(verdicts.accepted, 1), 0 if verdicts.accepted else 1, tuple(each.fault.reason for each in verdicts.listed)
    )


def of_sparkplug(data: bytes) -> Outcome:
    return of_message("spBv1.0/plant/NBIRTH/gateway", data)


def of_edge(data: bytes) -> Outcome:
    """Take a batch of an edge; a record that is refused as a whole stands for itself."""
    taken, refused, said = 0, 0, []
    numbers: list[float] = []
    for record in read_batch(data).records:
        found = faults_of(partial(DECODERS.decode, Kept(record.path, record.media, record.query, record.body), NOW))
        if isinstance(found, dict):
            refused += 1
            said.append(str(found["detail"]))
        else:
            one = of_decoded(found)
            taken, refused = taken + one.taken, refused + one.refused
            said += one.said
            numbers += one.values
    return Outcome(taken, refused, tuple(said), tuple(numbers))


def of_telegram(data: bytes) -> Outcome:
    """Read a read-out's text: sets that the driver then looks up by their address."""
    found = [one for line in parse_lines(data.decode("latin-1")) for one in line]
    return Outcome(len(found))


def rows_of_parquet(data: bytes) -> int:
    with suppress(pa.ArrowException, OSError, ValueError):
        return int(pq.read_table(io.BytesIO(data), page_checksum_verification=True).num_rows)
    return 0


def rows_of_stream(data: bytes) -> int:
    with suppress(pa.ArrowException, OSError, ValueError), pa.ipc.open_stream(data) as stream:
        return int(stream.read_all().num_rows)
    return 0


def rows_of_ipc_file(data: bytes) -> int:
    with suppress(pa.ArrowException, OSError, ValueError):
        return int(pa.ipc.open_file(data).read_all().num_rows)
    return 0


def rows_of_gzip(data: bytes) -> int:
    with suppress(OSError, EOFError, zlib.error):
        return samples.seen(samples.csv_long(), gzip.decompress(data))
    return 0


def rows_of_zip(data: bytes) -> int:
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(samples.seen(samples.csv_long(), archive.read(name)) for name in archive.namelist())
    return 0


def sets_of_telegram(data: bytes) -> int:
    """See what stands before the line that ends a read-out."""
    return samples.seen(samples.telegram_lines(), re.split(rb"(?m)^ *! *\r?$", data)[0])


ENTRANCES = (
    Entrance("nem12", "format nem12", samples.nem12, of_file, samples.DAY),
    Entrance("nem13", "format nem12", samples.nem13, of_file, 2, reads_of_pairs),
    Entrance("csv", "format csv", samples.csv_long, of_file),
    Entrance("wide csv", "format csv", samples.csv_wide, of_file, samples.DAY),
    Entrance("csv of registers", "format csv", samples.csv_registers, of_file),
    Entrance("parquet", "format parquet", samples.parquet, of_file, samples.DAY, rows_of_parquet),
    Entrance("cmep", "format cmep", samples.cmep, of_file, samples.DAY),
    Entrance("mscons", "format mscons", samples.mscons, of_file, samples.DAY),
    Entrance("green button", "format green-button", samples.green_button, of_file, 2, markup=True),
    Entrance("cim xml", "format cim-xml", samples.cim_xml, of_file, 2, markup=True),
    Entrance("cim events", "format cim-xml", samples.cim_events, of_file, markup=True),
    Entrance("datahub cim", "format dk-datahub", samples.dk_cim, of_file, 2, markup=True),
    Entrance("datahub ebix", "format dk-datahub", samples.dk_ebix, of_file, 2, markup=True),
    Entrance("datahub json", "format dk-datahub", samples.dk_json, of_file, 2 * samples.DAY),
    Entrance("zip", "container zip", samples.zipped, of_file, 1, rows_of_zip),
    Entrance("gzip", "container gzip", samples.gzipped, of_file, 1, rows_of_gzip),
    Entrance("json", "body json", samples.body_json, partial(of_body, "json"), 12),
    Entrance("ndjson", "body ndjson", samples.body_ndjson, partial(of_body, "ndjson"), 12),
    Entrance("http csv", "body csv", samples.body_csv, partial(of_body, "csv")),
    Entrance("arrow stream", "body stream", samples.body_stream, partial(of_body, "stream"), 1, rows_of_stream),
    Entrance("arrow file", "body file", samples.body_file, partial(of_body, "file"), 1, rows_of_ipc_file),
    Entrance("form", f"form {TAKEN[0]}", samples.form_urlencoded, partial(of_form, TAKEN[0])),
    Entrance("multipart", f"form {TAKEN[1]}", samples.form_multipart, partial(of_form, f"{TAKEN[1]}; boundary=b")),
    Entrance("json form", f"form {TAKEN[2]}", samples.form_json, partial(of_form, TAKEN[2])),
    Entrance("line protocol 2", f"address {V2}", samples.lines, partial(of_address, V2)),
    Entrance("line protocol 1", f"address {V1}", samples.lines, partial(of_address, V1)),
    Entrance("mqtt value", "mqtt topics", samples.mqtt_value, partial(of_message, "meters/UPX/energy_kwh")),
    Entrance("mqtt json", "mqtt json_topics", samples.body_json, partial(of_message, "any/topic"), 24),
    Entrance("mqtt outage", "mqtt outage_topics", samples.mqtt_outage, of_outage, blind=1),
    Entrance("sparkplug", "mqtt sparkplug_groups", samples.sparkplug, of_sparkplug, blind=6),
    Entrance("edge", "address /v1/edges/{edge}/batches", samples.edge_wire, of_edge),
    Entrance("telegram", "protocol iec62056_21", samples.telegram_lines, of_telegram, 1, sets_of_telegram),
)
