"""CMEP, the California Metering Exchange Protocol: a line a meter and day, its readings in triplets (MEPMD01)."""

from gridwright.formats.cmep.reader import CMEP, CmepDialect, CmepReader
from gridwright.formats.cmep.writer import CMEP_WRITER, CmepWriter

__all__ = ["CMEP", "CMEP_WRITER", "CmepDialect", "CmepReader", "CmepWriter"]
