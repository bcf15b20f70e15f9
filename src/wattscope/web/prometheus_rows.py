"""The stored series under the names that ``/metrics`` gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wattscope.compute.prometheus_names import Exposition, Family, expose_quantity
from wattscope.compute.prometheus_renames import Rename, expose_renamed
from wattscope.compute.promql.matchers import Labels
from wattscope.compute.promql.sampling import ShownSeries
from wattscope.compute.promql.tree import NAME
from wattscope.core.reading import Batch
from wattscope.core.topology import Series
from wattscope.ports import Store
from wattscope.web.services import Book


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The series of one moment, and the store that has their rows."""

    series: tuple[ShownSeries, ...]
    families: tuple[Family, ...]
    """What is known of each name, once."""
    store: Store

    def read(self, ids: Sequence[int], start_us: int, end_us: int) -> Batch:
        """Rows in ``[start, end)``, ordered by series, then time."""
        return self.store.read_raw(ids, start_us, end_us)


def look_up_rows(store: Store, book: Book, renames: Iterable[Rename]) -> StoredRows:
    """All series of devices that exist, each by its own name and by those of one's own."""
    devices = {device.id for device in book.list_devices()}
    stored = [one for one in book.list_series() if one.device in devices]
    places = {(one.device, one.quantity.name): one for one in stored}
    shown: list[tuple[Series, Exposition, Labels]] = []
    for one in stored:
        exposed = expose_quantity(one.quantity)
        labels = (("site", one.site), ("device", one.device), *exposed.labels)
        shown.append((one, exposed, labels))
    for rename in renames:
        found = places.get((rename.device, rename.quantity))
        if found is not None:
            shown += [(found, exposed, exposed.labels) for exposed in expose_renamed(rename)]
    series = tuple(
        ShownSeries(tuple(sorted(((NAME, exposed.family.name), *labels))), one.id, exposed.scale)
        for one, exposed, labels in shown
    )
    families = {exposed.family.name: exposed.family for _, exposed, _ in shown}
    return StoredRows(series, tuple(families.values()), store)
