"""Training the models of a data folder on its own history: by hand, or when they are due.

A program may be writing to the folder: the store is only read, and a model file is put in place
in one step. Where there is more history than a model needs, short stretches are read from all over
it, at every hour of the day.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import structlog

from wattscope.assembly.storage import now_us, open_storage
from wattscope.compute.isolation_forest.learning import (
    DeviceHistory,
    Learned,
    Span,
    choose_class_features,
    learn_model,
    split_batch,
)
from wattscope.compute.isolation_forest.model import AnomalyModel, is_model_due
from wattscope.compute.panel_features import list_quantities
from wattscope.core.errors import QueryError, SettingsError, StorageError
from wattscope.core.reading import Batch, concat_batches, empty_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.topology import Device, DeviceKind
from wattscope.registry.model_shelf import ModelShelf
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import Settings
from wattscope.stores.duckdb_store import DuckdbStore

_log = structlog.get_logger()
LEARNED_KINDS = (DeviceKind.PANEL, DeviceKind.INVERTER)
"""Classes that are trained where none is named."""
DEFAULT_SINCE_S = 30 * 86_400
MAX_VALUES = 1_000_000
"""Values that are read for a class: about 80 MB while it is trained."""
_MAX_STRETCHES = 720
_N_PROBES, _PROBE_SHARE = 96, 1 / 256
"""How the number of values is estimated before they are read."""
_GOLDEN = 0.618_033_988_75
_ATTEMPTS = 3
_SEED = 2008
"""The same history gives the same model."""

Watch = Callable[[str, int, int], None]
"""Is told what is done now, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class TrainingWish:
    """What is to be trained, on what."""

    classes: tuple[DeviceKind, ...] = ()
    """None named: those of ``LEARNED_KINDS`` that have devices."""
    since_s: float = DEFAULT_SINCE_S
    """How far the history goes back from now, or from the newest reading of the class [s]."""
    left_out: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """By device: known incidents, from which nothing is learned."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What became of one class."""

    device_class: str
    learned: Learned | None
    """None where it could not be trained."""
    features: tuple[str, ...]
    left_out: tuple[str, ...]
    """Devices without the features, or without rows."""
    fault: str = ""
    """Why it could not be trained."""


@dataclass(frozen=True, slots=True)
class TrainingGround:
    """Where history is, and where models go."""

    store: DuckdbStore
    registry: SqlRegistry
    shelf: ModelShelf


def load_models(shelf: ModelShelf) -> dict[str, AnomalyModel]:
    """The models that can be used, by class; those that cannot are named in the log."""
    models, refused = shelf.read_all()
    for one in refused:
        _log.error("model refused", file=one.file, reason=one.reason, advice=one.advice)
    return models


def train_folder(
    settings: Settings, data: Path, wish: TrainingWish, watch: Watch
) -> list[TrainingReport]:
    """Train classes on the history of a data folder, and put their models in place.

    Raises:
        SettingsError: There is no data.
        StorageError: The disk refuses a model, or files are replaced faster than they are read.
    """
    if not (data / "registry.sqlite").exists():
        raise SettingsError([f"there is no data in {data}"])
    for _ in range(_ATTEMPTS):
        with open_storage(settings, data, is_read_only=True) as storage:
            ground = TrainingGround(storage.store, storage.registry, ModelShelf(data))
            reports = train_models(ground, wish, now_us(), watch)
            if not (storage.store.damages and storage.store.is_outdated()):
                return reports
            # A program replaced files that were about to be read: rows are missing.
    raise StorageError(f"data folder {data} changes too fast to be read; try again")


def train_models(
    ground: TrainingGround, wish: TrainingWish, at_us: int, watch: Watch = lambda *_: None
) -> list[TrainingReport]:
    """Train classes, and put their models in place; one that cannot be trained stops no other."""
    devices = ground.registry.list_devices()
    kinds = wish.classes or tuple(
        kind for kind in LEARNED_KINDS if any(one.kind is kind for one in devices)
    )
    reports = []
    for kind in kinds:
        members = [one for one in devices if one.kind is kind]
        report = _train_class(ground, kind, members, _Question(wish, at_us, watch))
        if report.learned is not None:
            ground.shelf.write(report.learned.model)
        reports.append(report)
    return reports


def retrain_due(
    ground: TrainingGround, retrain_days: float, wish: TrainingWish, at_us: int
) -> list[TrainingReport]:
    """Train the classes whose model is missing, refused or as old as so many days.

    To be called now and then, in a thread: it takes seconds when something is due.

    Args:
        ground: Of the program that runs.
        retrain_days: 0 or less: never.
        wish: Which classes, how much history, and the incidents known by now.
        at_us: Now [µs].
    """
    present = {one.kind for one in ground.registry.list_devices()}
    due = tuple(
        kind
        for kind in wish.classes or LEARNED_KINDS
        if kind in present
        and is_model_due(_find_trained_at(ground.shelf, kind), at_us, retrain_days)
    )
    return train_models(ground, replace(wish, classes=due), at_us) if due else []


def _find_trained_at(shelf: ModelShelf, kind: DeviceKind) -> int | None:
    try:
        return shelf.read(kind.value).trained_at_us
    except StorageError:
        return None


@dataclass(frozen=True, slots=True)
class _Question:
    wish: TrainingWish
    at_us: int
    watch: Watch


def _train_class(
    ground: TrainingGround, kind: DeviceKind, members: Sequence[Device], question: _Question
) -> TrainingReport:
    series: dict[str, dict[str, int]] = {one.id: {} for one in members}
    for one in ground.registry.list_series():
        if one.device in series:
            series[one.device][one.quantity.name] = one.id
    features = choose_class_features([frozenset(one) for one in series.values() if one])
    wanted = list_quantities(features)
    names = {
        numbers[name]: (device, name)
        for device, numbers in series.items()
        for name in wanted
        if all(one in numbers for one in wanted)
    }
    columns = split_batch(_read(ground.store, sorted(names), kind.value, question), names)
    histories = [
        DeviceHistory(one.id, one.rating_w, columns[one.id], question.wish.left_out.get(one.id, ()))
        for one in members
        if wanted and len(columns.get(one.id, {})) == len(wanted)
    ]
    known = {one.device for one in histories}
    left_out = tuple(one.id for one in members if one.id not in known)
    if not histories:
        fault = f"{kind.value}: no device has a power in this time; give a longer --since"
        return TrainingReport(kind.value, None, features, left_out, fault)
    try:
        learned = learn_model(
            kind.value,
            histories,
            features,
            np.random.default_rng(_SEED),
            trained_at_us=question.at_us,
        )
    except QueryError as fault:
        return TrainingReport(kind.value, None, features, left_out, str(fault))
    return TrainingReport(kind.value, learned, features, left_out)


def _read(store: DuckdbStore, series: Sequence[int], doing: str, question: _Question) -> Batch:
    """Values of the time asked for, thinned out where there are too many; by series, then time."""
    known = store.time_range()
    newest = store.last_rows()
    ends = newest.measured_at_us[np.isin(newest.series_id, series)]
    if known is None or not len(ends):
        return empty_batch()
    # Of an archive, the time before its end.
    end_us = min(question.at_us, int(ends.max()) + 1)
    start_us = max(known[0], end_us - round(question.wish.since_s * US_PER_S))
    if start_us >= end_us:
        return empty_batch()
    range_us = start_us, end_us
    probes = _spread_stretches(range_us, _N_PROBES, _PROBE_SHARE)
    n_found = sum(len(store.read_raw(series, *one)) for one in probes)
    share = min(1.0, MAX_VALUES * _PROBE_SHARE / max(1, n_found))
    # All of it day by day; a part of it hour by hour, so that no hour of the day is left out.
    n_stretches = (range_us[1] - range_us[0]) // (US_PER_DAY if share == 1 else US_PER_HOUR)
    stretches = _spread_stretches(range_us, min(n_stretches + 1, _MAX_STRETCHES), share)
    parts = []
    for number, (start_us, end_us) in enumerate(stretches, 1):
        parts.append(store.read_raw(series, start_us, end_us))
        question.watch(doing, number, len(stretches))
    rows = concat_batches(parts)
    return rows.take(np.lexsort((rows.measured_at_us, rows.series_id)))


def _spread_stretches(range_us: Span, n_stretches: int, share: float) -> list[Span]:
    """A share of a span: one stretch of each of its equal parts, at ever another place."""
    low, high = range_us
    edges = np.linspace(low, high, n_stretches + 1).astype(np.int64).tolist()
    stretches = []
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        length = int((end - start) * share)
        begin = start + int((end - start - length) * (number * _GOLDEN % 1.0))
        stretches.append((begin, begin + length))
    return stretches
