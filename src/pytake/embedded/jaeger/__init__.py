"""An embedded trace server that speaks Jaeger v2's APIs and reads its configuration file (``pytake-jaeger``)."""
