"""The part of Go's text/template that line_format and label_format need, with Loki's functions."""

from pytake.embedded.loki.logql.template.engine import Context, Template, compile_template

__all__ = ["Context", "Template", "compile_template"]
