"""What CI asks of metrics, rules, dashboards, logs, runbooks and documents."""
