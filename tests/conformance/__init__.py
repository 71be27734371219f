"""The normative statements of MQTT 3.1.1 and 5.0, each with a test that can fail."""
