"""Health, readiness, metrics and the gauges of the business."""
