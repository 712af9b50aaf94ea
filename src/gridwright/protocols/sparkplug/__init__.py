"""Sparkplug B 3.0: payloads in protobuf, and what the births of an edge node say about its data."""

from gridwright.protocols.sparkplug.payload import Metric, Payload, SparkplugError, read_payload
from gridwright.protocols.sparkplug.session import Birth, Change, Delivery, Sessions, Topic, read_topic

__all__ = [
    "Birth",
    "Change",
    "Delivery",
    "Metric",
    "Payload",
    "Sessions",
    "SparkplugError",
    "Topic",
    "read_payload",
    "read_topic",
]
