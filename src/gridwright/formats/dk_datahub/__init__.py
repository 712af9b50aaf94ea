"""Measured data of the Danish market (Energinet DataHub): CIM XML, CIM JSON and ebIX messages, read."""

from gridwright.formats.dk_datahub.reader import DK_DATAHUB, DataHubDialect, DataHubReader

__all__ = ["DK_DATAHUB", "DataHubDialect", "DataHubReader"]
