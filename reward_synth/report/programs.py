"""Program text as HTML: highlighted, and compared. All of it was written by a model: escape it."""

from __future__ import annotations

import difflib

from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer


def highlighted(source: str) -> Markup:
    """Return the inside of a <pre>: the source in <span>s whose classes report.css colours."""
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def difference(before: str, after: str) -> Markup:
    """Return the inside of a <pre>: a unified diff, ``""`` if the sources are equal."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))
    kinds = {"+": "added", "-": "removed", "@": "place"}
    parts = [
        Markup('<span class="{}">{}</span>').format(kinds.get(line[:1], "same"), line or " ")
        for line in lines[2:]  # after the two lines that name the files
    ]
    return Markup("\n").join(parts)
