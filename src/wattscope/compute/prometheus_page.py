"""The text of a scrape: samples ordered by name, arranged once and filled in many times.

::

    rows of a page     a a a b b c c c     by name, in the order in which they were given
    values             7 - 7 - - 7 7 7     a row without one is left out,
    text               # a  7 7            and so is the heading of a name without rows
                       # c  7 7 7

All labels are formatted when the page is built; a scrape only adds numbers. The format is
Prometheus' text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.prometheus_names import Exposition, Family, format_sample
from wattscope.core.reading import FloatColumn

Booleans = npt.NDArray[np.bool_]
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Page:
    """Samples without their values."""

    families: tuple[Family, ...]
    edges: tuple[int, ...]
    """Where the rows of each family begin, and the number of rows."""
    samples: tuple[str, ...]
    rows: npt.NDArray[np.intp]
    """For each sample, the place of its exposition in the order in which they were given."""
    factor: FloatColumn
    divisor: FloatColumn
    offset: FloatColumn

    def render(self, values: FloatColumn, is_shown: Booleans) -> str:
        """The text.

        Args:
            values: One for each exposition, in the order in which they were given.
            is_shown: Whether it has a value now.
        """
        shown = (values[self.rows] - self.offset) * self.factor / self.divisor
        is_shown = is_shown[self.rows] & ~np.isnan(shown)
        parts: list[str] = []
        for at, family in enumerate(self.families):
            first, end = self.edges[at], self.edges[at + 1]
            chosen = first + np.flatnonzero(is_shown[first:end])
            if not len(chosen):
                continue
            parts.append(format_heading(family))
            samples = self.samples[first:end]
            if len(chosen) < end - first:
                samples = tuple(self.samples[row] for row in chosen.tolist())
            numbers = map(repr, shown[chosen].tolist())
            parts += [
                f"{sample}{number}\n" for sample, number in zip(samples, numbers, strict=True)
            ]
        return "".join(parts)


def build_page(expositions: Iterable[Exposition]) -> Page:
    """A page of these samples; labels of one name must differ."""
    given = list(expositions)
    places: dict[str, list[int]] = {}
    for place, one in enumerate(given):
        places.setdefault(one.family.name, []).append(place)
    order = [place for name in sorted(places) for place in places[name]]
    rows = [given[place] for place in order]
    edges = np.cumsum([0, *(len(places[name]) for name in sorted(places))])
    return Page(
        tuple(given[places[name][0]].family for name in sorted(places)),
        tuple(edges.tolist()),
        tuple(format_sample(one.family.name, one.labels) for one in rows),
        np.array(order, np.intp),
        np.array([one.scale.factor for one in rows], np.float64),
        np.array([one.scale.divisor for one in rows], np.float64),
        np.array([one.scale.offset for one in rows], np.float64),
    )


def format_heading(family: Family) -> str:
    """The two lines before the samples of a name."""
    words = family.help.translate(_ESCAPED)
    return f"# HELP {family.name} {words}\n# TYPE {family.name} {family.type.value}\n"
