"""A report as its readers' programs see it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from reward_synth.report.build import build_report


class Page(HTMLParser):
    """A page's tags, its scripts, and its text outside of <style> and <script>."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.source = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        if folder is not None:
            self._read(build_report(folder).read_text(encoding="utf-8"))

    @classmethod
    def of(cls, source: str) -> Page:
        page = cls()
        page._read(source)
        return page

    def _read(self, source: str) -> None:
        self.source = source
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self._open:
            self.scripts.append(data)
        elif "style" not in self._open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]
