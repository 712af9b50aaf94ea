"""InfluxDB line protocol, read whole arrays at a time.

Source: docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol. A field that is text has no number: it is told
as a fault, for the caller to drop or to ignore.
"""

from gridwright.formats.line_protocol.columns import KNOWN_PRECISIONS, PRECISIONS, FieldValues, LineFault
from gridwright.formats.line_protocol.known import Vocabulary
from gridwright.formats.line_protocol.line import LineWrong, Origin, Origins, origin_in, origin_of
from gridwright.formats.line_protocol.read import read_line_protocol, read_uniform

__all__ = [
    "KNOWN_PRECISIONS",
    "PRECISIONS",
    "FieldValues",
    "LineFault",
    "LineWrong",
    "Origin",
    "Origins",
    "Vocabulary",
    "origin_in",
    "origin_of",
    "read_line_protocol",
    "read_uniform",
]
