"""The ruler: alerting and recording rules over LogQL."""
