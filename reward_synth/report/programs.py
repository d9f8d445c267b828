"""Program text as HTML: highlighted, and compared. All of it was written by a model: escape it."""

from __future__ import annotations

import difflib

from markupsafe import Markup
from pygments.lexers.python import PythonLexer
from pygments.token import STANDARD_TYPES

# The kinds of token that report.css colours; spans around all others would double a large page.
_COLOURED = set("k kn kc ow s s1 s2 sd mi mf nf fm c1".split())


def highlighted(source: str) -> Markup:
    """Return the inside of a <pre>: the source in <span>s whose classes report.css colours."""
    parts = []
    for token, text in PythonLexer().get_tokens(source):
        kind = STANDARD_TYPES.get(token, "")
        span = Markup('<span class="{}">{}</span>') if kind in _COLOURED else Markup("{1}")
        parts.append(span.format(kind, text))
    return Markup("").join(parts)


def difference(before: str, after: str) -> Markup:
    """Return the inside of a <pre>: a unified diff, ``""`` if the sources are equal."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))
    kinds = {"+": "added", "-": "removed", "@": "place"}
    parts = [
        Markup('<span class="{}">{}</span>').format(kinds.get(line[:1], "same"), line or " ")
        for line in lines[2:]  # after the two lines that name the files
    ]
    return Markup("\n").join(parts)
