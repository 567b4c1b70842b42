"""`--mqtt`: publishes events and states to an MQTT broker."""
