"""IEC 62056-21 mode C: sign-on, readout and programming mode, as two state machines over bytes.

Sources: IEC 62056-21:2002 (messages, block check, modes), VDEW Lastenheft "Elektronische Lastgangzähler" 2.1 (load
profile P.01, log P.98, season digit, status word) as their manufacturers' manuals quote it.
"""

from gridwright.protocols.iec62056_21.client import (
    Acknowledged,
    Answered,
    Challenged,
    ClientSession,
    Event,
    Identified,
    Refused,
    SignedOff,
    State,
)
from gridwright.protocols.iec62056_21.data import DataSet, Line, format_lines, parse_lines, refusal, short
from gridwright.protocols.iec62056_21.errors import (
    ChecksumMismatch,
    MalformedTelegram,
    OutOfTurn,
    ProtocolError,
    TelegramTooLong,
)
from gridwright.protocols.iec62056_21.framer import Framer
from gridwright.protocols.iec62056_21.frames import (
    Block,
    Command,
    Frame,
    Identification,
    Kind,
    Mode,
    OptionSelect,
    Request,
    Signal,
    checksum,
    encode,
    with_parity,
    without_parity,
)
from gridwright.protocols.iec62056_21.records import Channel, RecordGroup, format_group, parse_groups
from gridwright.protocols.iec62056_21.server import (
    Called,
    Commanded,
    HungUp,
    Phase,
    Selected,
    ServerEvent,
    ServerSession,
)
from gridwright.protocols.iec62056_21.stamps import BadStamp, Season, Stamp, format_stamp, parse_stamp

__all__ = [
    "Acknowledged",
    "Answered",
    "BadStamp",
    "Block",
    "Called",
    "Challenged",
    "Channel",
    "ChecksumMismatch",
    "ClientSession",
    "Command",
    "Commanded",
    "DataSet",
    "Event",
    "Frame",
    "Framer",
    "HungUp",
    "Identification",
    "Identified",
    "Kind",
    "Line",
    "MalformedTelegram",
    "Mode",
    "OptionSelect",
    "OutOfTurn",
    "Phase",
    "ProtocolError",
    "RecordGroup",
    "Refused",
    "Request",
    "Season",
    "Selected",
    "ServerEvent",
    "ServerSession",
    "Signal",
    "SignedOff",
    "Stamp",
    "State",
    "TelegramTooLong",
    "checksum",
    "encode",
    "format_group",
    "format_lines",
    "format_stamp",
    "parse_groups",
    "parse_lines",
    "parse_stamp",
    "refusal",
    "short",
    "with_parity",
    "without_parity",
]
