"""Go templates as Promtail's stages use them: over the extracted values, with ``.Value`` and ``.Entry``."""

from collections.abc import Mapping
from typing import Any

from pytake.embedded.loki.logql import LogQLError
from pytake.embedded.loki.logql.template import Template as GoTemplate


class TemplateError(ValueError):
    """The template does not parse; the text is Go's."""


class Template:
    """A compiled template; raises :class:`TemplateError` on wrong syntax or unknown functions."""

    def __init__(self, source: str) -> None:
        try:
            self._template = GoTemplate(source)
        except LogQLError as error:
            raise TemplateError(str(error)) from error

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for these values; empty where a function fails, as in Promtail (the failure is logged there)."""
        try:
            return self._template.render("", 0, values)
        except LogQLError:
            return ""
