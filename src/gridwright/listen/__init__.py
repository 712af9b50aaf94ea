"""The MQTT entrance: subscribes, decodes what comes, and acknowledges a message when its readings are on the disk."""
