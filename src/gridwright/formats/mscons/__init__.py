"""MSCONS, the EDIFACT message of metered services consumption: load profiles and register reads by OBIS code."""

from gridwright.formats.mscons.reader import MSCONS, MsconsDialect, MsconsReader
from gridwright.formats.mscons.writer import MSCONS_WRITER, MsconsWriter

__all__ = ["MSCONS", "MSCONS_WRITER", "MsconsDialect", "MsconsReader", "MsconsWriter"]
