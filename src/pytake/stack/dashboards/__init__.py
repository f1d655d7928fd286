"""The committed dashboards as code: builders on Grafana's Foundation SDK that emit ``monitoring/grafana/dashboards``.

``make generate`` writes the JSON; CI fails when it differs. The SDK is a development tool: who only runs the stack reads
the committed files.
"""
