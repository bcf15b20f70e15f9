"""Training the models of a data folder on its own history: by hand, or when they are due.

A program may be writing to the folder: the store is only read, and a model file is put in place
in one step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import structlog

from wattscope.assembly.history_sample import SampledStore, read_sample
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
from wattscope.compute.panel_features import choose_features, list_quantities
from wattscope.core.errors import QueryError, SettingsError, StorageError
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device, DeviceKind
from wattscope.registry.model_shelf import ModelShelf, RefusedModel
from wattscope.registry.sql_models import SqlModelShelf
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import Settings

_log = structlog.get_logger()
LEARNED_KINDS = (DeviceKind.PANEL, DeviceKind.INVERTER)
"""Classes that are trained where none is named."""
DEFAULT_SINCE_S = 30 * 86_400
_ATTEMPTS = 3
_SEED = 2008
"""The same history gives the same model."""

Models = ModelShelf | SqlModelShelf
"""Where models are: in a folder, or in a registry that processes share."""
Watch = Callable[[str, int, int], None]
"""Is told what is done now, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class TrainingWish:
    """What is to be trained, on what."""

    classes: tuple[DeviceKind, ...] = ()
    """None named: those of ``LEARNED_KINDS`` that can be learned."""
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

    store: SampledStore
    registry: SqlRegistry
    shelf: Models


def load_models(shelf: Models) -> dict[str, AnomalyModel]:
    """The models that can be used, by class; those that cannot are named in the log."""
    models, refused = shelf.read_all()
    report_refused(refused)
    return models


def report_refused(refused: Iterable[RefusedModel]) -> None:
    """Name models that cannot be used in the log."""
    for one in refused:
        _log.error("model refused", file=one.file, reason=one.reason, advice=one.advice)


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
    reports = []
    for kind in wish.classes or list_learnable(ground.registry):
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
    due = tuple(
        kind
        for kind in wish.classes or list_learnable(ground.registry)
        if is_model_due(_find_trained_at(ground.shelf, kind), at_us, retrain_days)
    )
    return train_models(ground, replace(wish, classes=due), at_us) if due else []


def list_learnable(registry: SqlRegistry) -> tuple[DeviceKind, ...]:
    """Those of ``LEARNED_KINDS`` of which a device tells a power."""
    quantities: dict[str, set[str]] = defaultdict(set)
    for one in registry.list_series():
        quantities[one.device].add(one.quantity.name)
    kinds = {one.kind for one in registry.list_devices() if choose_features(quantities[one.id])}
    return tuple(kind for kind in LEARNED_KINDS if kind in kinds)


def _find_trained_at(shelf: Models, kind: DeviceKind) -> int | None:
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
    chosen = {
        device: [numbers[name] for name in wanted]
        for device, numbers in series.items()
        if wanted and all(name in numbers for name in wanted)
    }
    batch = read_sample(
        ground.store,
        chosen,
        round(question.wish.since_s * US_PER_S),
        question.at_us,
        lambda done, total: question.watch(kind.value, done, total),
    )
    names = {
        number: (device, name)
        for device, numbers in chosen.items()
        for name, number in zip(wanted, numbers, strict=True)
    }
    columns = split_batch(batch, names)
    histories = [
        DeviceHistory(one.id, one.rating_w, columns[one.id], question.wish.left_out.get(one.id, ()))
        for one in members
        if chosen and len(columns.get(one.id, {})) == len(wanted)
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
