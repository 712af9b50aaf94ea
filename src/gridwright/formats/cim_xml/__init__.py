"""MeterReadings of IEC 61968-9, with or without their message envelope: intervals and registers, read and written."""

from gridwright.formats.cim_xml.reader import CIM_XML, CimXmlDialect, CimXmlReader
from gridwright.formats.cim_xml.writer import CIM_XML_WRITER, CimXmlWriter

__all__ = ["CIM_XML", "CIM_XML_WRITER", "CimXmlDialect", "CimXmlReader", "CimXmlWriter"]
