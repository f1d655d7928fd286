"""Go templates as Promtail's stages use them: over the extracted values, with ``.Value`` and ``.Entry``."""

import re
from collections.abc import Mapping
from typing import Any

from pytake.embedded.loki.logql import LogQLError
from pytake.embedded.loki.logql.template import Template as GoTemplate
from pytake.embedded.promtail.sprig import FUNCTIONS, REFUSED

_UNKNOWN = re.compile(r'function "(\w+)" not defined')


class TemplateError(ValueError):
    """The template does not parse; the text is Go's."""


class Template:
    """A compiled template; raises :class:`TemplateError` on wrong syntax or unknown functions."""

    def __init__(self, source: str) -> None:
        try:
            self._template = GoTemplate(source, FUNCTIONS)
        except LogQLError as error:
            raise TemplateError(_refused(str(error))) from error

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for these values; empty where a function fails, as in Promtail (the failure is logged there)."""
        try:
            return self._template.render("", 0, values)
        except LogQLError:
            return ""


def _refused(problem: str) -> str:
    unknown = _UNKNOWN.search(problem)
    if unknown and unknown[1] in REFUSED:
        return f"{problem}: sprig has it, the embedded Promtail refuses it (it reads the host, makes keys or is random)"
    return problem
