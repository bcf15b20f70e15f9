"""Entries of an Atom feed with the energy resources (NAESB ESPI) in them, from blocks of bytes.

It promises that a document type, and with it every entity, is refused before it is looked at, that
memory is bounded by the limits below, and that a feed that is cut off or is no XML ends in one
``BadFile`` that names the line. It knows nothing of what the resources mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from wattscope.compute.files.table_rows import BadFile

MAX_FEED_BYTES = 128 << 20
"""A longer feed is refused [bytes]; ten years of quarter hours fit."""
MAX_DEPTH = 32
"""Elements in each other."""
MAX_ELEMENTS = 1_000_000
"""Elements in one entry."""
MAX_TEXT = 256
"""Characters of an element that are kept; no number or address of a feed is longer."""

_CUT = "…"
_ATOM = "http://www.w3.org/2005/Atom "
_ESPI = "http://naesb.org/espi "


@dataclass(slots=True)
class Element:
    """An element of a resource; grows while it is read."""

    name: str
    """Without its namespace."""
    line_number: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, *path: str) -> Element | None:
        """The first element along a path of names."""
        found: Element | None = self
        for name in path:
            if found is None:
                return None
            found = next((child for child in found.children if child.name == name), None)
        return found

    def read(self, *path: str) -> str:
        """The text of an element along a path; empty where there is none."""
        found = self.find(*path)
        return "" if found is None else found.text.strip()


@dataclass(slots=True)
class Entry:
    """One entry of a feed; grows while it is read."""

    line_number: int
    links: list[tuple[str, str]] = field(default_factory=list)
    """Relation and address, without a slash at its end."""
    resources: list[Element] = field(default_factory=list)

    def list_links(self, relation: str) -> list[str]:
        """The addresses of a relation, such as ``self``, ``up`` or ``related``."""
        return [address for name, address in self.links if name == relation]


def read_entries(blocks: Iterable[bytes]) -> Iterator[Entry | BadFile]:
    """The entries of a feed in order; a ``BadFile`` is the last that comes.

    Args:
        blocks: The file in order, in pieces of any size.
    """
    reader = _FeedReader()
    try:
        for block in blocks:
            yield from reader.feed(block)
        yield from reader.end()
    except expat.ExpatError as fault:
        yield BadFile(fault.lineno, f"is no whole XML: {expat.ErrorString(fault.code)}")
    except _RefusedError as fault:
        yield BadFile(reader.line_number, str(fault))


class _RefusedError(Exception):
    """Ends the reading of a feed; never leaves this module."""


class _FeedReader:
    """Builds entries from what the parser calls out."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._append
        self._n_bytes = 0
        self._depth = 0
        self._n_elements = 0
        self._entry: Entry | None = None
        self._entry_depth = 0
        # None stands for an element of another namespace: it and its text are not kept.
        self._open: list[Element | None] = []
        self._done: list[Entry] = []

    @property
    def line_number(self) -> int:
        """Where the parser is."""
        return self._parser.CurrentLineNumber

    def feed(self, block: bytes) -> Iterator[Entry]:
        """The entries that end in a block."""
        self._n_bytes += len(block)
        if self._n_bytes > MAX_FEED_BYTES:
            raise _RefusedError(f"the feed is longer than {MAX_FEED_BYTES >> 20} MiB")
        try:
            self._parser.Parse(block)
        except (LookupError, ValueError) as fault:
            raise _RefusedError(f"the feed's encoding cannot be read: {fault}") from fault
        yield from self._take_done()

    def end(self) -> Iterator[Entry]:
        """What is left when there are no more blocks."""
        self._parser.Parse(b"", True)  # noqa: FBT003  # the parser takes no keywords
        yield from self._take_done()

    def _take_done(self) -> list[Entry]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _RefusedError(f"more than {MAX_DEPTH} elements stand in each other")
        if self._entry is None:
            if name == f"{_ATOM}entry":
                self._entry = Entry(self.line_number)
                self._entry_depth, self._n_elements, self._open = self._depth, 0, []
            return
        self._n_elements += 1
        if self._n_elements > MAX_ELEMENTS:
            raise _RefusedError(f"an entry has more than {MAX_ELEMENTS} elements")
        if name == f"{_ATOM}link":
            address = attributes.get("href", "").strip().rstrip("/")
            self._entry.links.append((attributes.get("rel", ""), address))
        self._open.append(self._keep(name))

    def _keep(self, name: str) -> Element | None:
        """The element in its place among those that are kept."""
        if self._entry is None or not name.startswith(_ESPI):
            return None
        element = Element(name.removeprefix(_ESPI), self.line_number)
        parent = self._open[-1] if self._open else None
        siblings = self._entry.resources if parent is None else parent.children
        siblings.append(element)
        return element

    def _end(self, name: str) -> None:
        del name
        if self._entry is not None:
            if self._depth == self._entry_depth:
                self._done.append(self._entry)
                self._entry = None
            else:
                self._open.pop()
        self._depth -= 1

    def _append(self, text: str) -> None:
        element = self._open[-1] if self._open else None
        if element is not None and len(element.text) <= MAX_TEXT:
            element.text += text
            if len(element.text) > MAX_TEXT:
                # The sign keeps what was cut from being read as a shorter number.
                element.text = element.text[:MAX_TEXT] + _CUT


def _refuse_doctype(name: str, system: str | None, public: str | None, has_subset: int) -> None:
    """No feed needs a document type, and only with one can entities be declared."""
    del name, system, public, has_subset
    raise _RefusedError("the feed declares a document type; entities are not read")
