"""``train`` from the outside, and what the program calls when models are due."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from tests.cli.invocation import invoke
from tests.detectors.panel_windows import RATING_W, START_US, make_window
from wattscope.assembly import history_sample
from wattscope.assembly.model_training import (
    TrainingGround,
    TrainingWish,
    load_models,
    retrain_due,
    train_models,
)
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.reading import Batch, Quality, concat_batches
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.topology import Device, DeviceKind
from wattscope.core.window import Window
from wattscope.detectors.isolation_forest import IsolationForestDetector
from wattscope.registry.model_shelf import ModelShelf
from wattscope.settings import Settings

pytestmark = pytest.mark.usefixtures("no_fsync")

N_PANELS, N_DAYS = 4, 12
END_US = START_US + N_DAYS * US_PER_DAY
WISH = TrainingWish(since_s=(N_DAYS + 1) * 86_400.0)
WINDOW = make_window(N_PANELS, N_DAYS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve days of four panels, by way of the log."""
    folder = tmp_path / "data"
    with open_storage(Settings(), folder) as storage:
        write(storage, WINDOW)
    return folder


@pytest.fixture
def ground(data: Path) -> Iterator[TrainingGround]:
    with open_storage(Settings(), data) as storage:
        yield TrainingGround(storage.store, storage.registry, ModelShelf(data))


def write(storage: Storage, window: Window) -> None:
    parts = []
    for row, device in enumerate(window.devices):
        storage.registry.put_device(
            Device(device.id, "home", device.name, device.kind, rating_w=RATING_W)
        )
        for name, matrix in window.values.items():
            number = storage.registry.ensure_series(device.id, name)
            n_rows = len(window.slot_us)
            parts.append(
                Batch(
                    np.full(n_rows, number, np.int32),
                    window.slot_us,
                    matrix[row],
                    np.zeros(n_rows, np.uint8),
                )
            )
    storage.persist.append(concat_batches(parts))
    storage.persist.drain()


def test_training_prints_what_was_learned_and_leaves_a_model(data: Path) -> None:
    outcome = invoke("train", "--data", data)
    assert outcome.status == 0, outcome.err
    head, features, strange, left_out = outcome.out.splitlines()
    model = ModelShelf(data).read("panel")
    by_day = int((WINDOW.values["dc_current_a"] * WINDOW.values["dc_voltage_v"] > 6.6).sum())
    assert head.startswith(f"panel: {by_day} rows of 4 devices, 2024-06-01T0")
    assert features.split(": ")[1] == (
        "temperature_c, dc_voltage_v, dc_current_a, production_power_w, power_ratio"
    )
    assert "strange below a score of -0." in strange
    assert f"left out of {WINDOW.values['temperature_c'].size} rows" in left_out
    assert model.forest.n_rows == by_day
    assert START_US <= model.start_us < model.end_us <= END_US
    models, refused = ModelShelf(data).read_all()
    assert not refused
    assert IsolationForestDetector(models).find(make_window(N_PANELS, 5, seed=8)) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--class", "inverter"), "inverter: no device has a power in this time"),
        (("--since", "1h"), "panel: 0 rows by day"),
        (("--since", "soon"), "length 'soon' is not understood"),
    ],
)
def test_what_cannot_be_trained_is_an_error_in_words(
    data: Path, words: tuple[str, ...], reason: str
) -> None:
    outcome = invoke("train", *words, "--data", data)
    assert outcome.status != 0
    assert reason in outcome.last_line()
    assert not (data / "models").exists()


def test_folder_without_data_is_an_error(tmp_path: Path) -> None:
    outcome = invoke("train", "--data", tmp_path)
    assert outcome.status != 0
    assert "there is no data in" in outcome.last_line()


def test_too_few_rows_are_an_error_that_tells_how_many(ground: TrainingGround) -> None:
    wish = TrainingWish(since_s=86_400.0)
    [report] = train_models(ground, wish, END_US)
    assert report.learned is None
    assert "are too few to learn from; 500 are the least" in report.fault


def test_known_incidents_are_not_learned_from(ground: TrainingGround) -> None:
    [before] = train_models(ground, WISH, END_US)
    span = START_US, START_US + 2 * US_PER_DAY
    wish = TrainingWish(since_s=WISH.since_s, left_out={"p001": (span,)})
    [after] = train_models(ground, wish, END_US)
    assert before.learned is not None
    assert after.learned is not None
    assert before.learned.n_incident == 0
    assert after.learned.n_incident > 50
    assert after.learned.n_rows == before.learned.n_rows - after.learned.n_incident


def test_implausible_and_missing_values_are_not_learned_from(data: Path) -> None:
    with open_storage(Settings(), data) as storage:
        n_rows, number = 300, storage.registry.ensure_series("p000", "temperature_c")
        later = END_US + np.arange(n_rows, dtype=np.int64) * 60_000_000
        for name in ("dc_voltage_v", "dc_current_a", "production_power_w"):
            other = storage.registry.ensure_series("p000", name)
            storage.persist.append(make_batch(other, later, 30.0, 0))
        half = n_rows // 2
        storage.persist.append(make_batch(number, later[:half], 900.0, Quality.IMPLAUSIBLE))
        storage.persist.append(make_batch(number, later[half:], np.nan, Quality.MISSING))
        storage.persist.drain()
        ground = TrainingGround(storage.store, storage.registry, ModelShelf(data))
        [report] = train_models(ground, WISH, END_US + US_PER_DAY)
    assert report.learned is not None
    assert report.learned.model.end_us <= END_US


def make_batch(series: int, t: np.ndarray, value: float, quality: int) -> Batch:
    n_rows = len(t)
    return Batch(
        np.full(n_rows, series, np.int32),
        t,
        np.full(n_rows, value),
        np.full(n_rows, quality, np.uint8),
    )


def test_long_histories_are_thinned_out_evenly(
    ground: TrainingGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    [whole] = train_models(ground, WISH, END_US)
    monkeypatch.setattr(history_sample, "MAX_VALUES", 9_000)
    monkeypatch.setattr(history_sample, "_SERIES_TOGETHER", 4)
    [part] = train_models(ground, WISH, END_US)
    assert whole.learned is not None
    assert part.learned is not None
    assert 0.4 < part.learned.n_read / whole.learned.n_read < 0.6
    assert part.learned.model.n_devices == N_PANELS
    # Mornings, noons and evenings alike: what is usual stays what it was.
    np.testing.assert_allclose(
        part.learned.model.medians, whole.learned.model.medians, rtol=0.15, atol=0.5
    )


def test_training_again_gives_the_same_model(ground: TrainingGround) -> None:
    train_models(ground, WISH, END_US)
    assert isinstance(ground.shelf, ModelShelf)
    path = ground.shelf.folder / "panel.forest"
    before = path.read_bytes()
    train_models(ground, WISH, END_US)
    assert path.read_bytes() == before


def test_models_are_trained_again_when_they_are_due(ground: TrainingGround) -> None:
    def train_at(at_us: int, days: float = 7.0) -> list[str]:
        return [one.device_class for one in retrain_due(ground, days, WISH, at_us)]

    assert train_at(END_US, 0.0) == []
    assert train_at(END_US) == ["panel"]
    assert train_at(END_US + US_PER_DAY) == []
    assert isinstance(ground.shelf, ModelShelf)
    path = ground.shelf.folder / "panel.forest"
    path.write_bytes(b"of another program")
    assert train_at(END_US + US_PER_DAY) == ["panel"]
    assert train_at(END_US + 9 * US_PER_DAY) == ["panel"]
    assert ground.shelf.read("panel").trained_at_us == END_US + 9 * US_PER_DAY


def test_class_that_cannot_be_trained_stops_no_other(ground: TrainingGround) -> None:
    ground.registry.put_device(Device("i1", "home", "Inverter", DeviceKind.INVERTER))
    [report] = train_models(ground, WISH, END_US)
    assert report.device_class == "panel"
    ground.registry.ensure_series("i1", "active_power_w")
    reports = train_models(ground, WISH, END_US)
    assert [(one.device_class, one.learned is not None) for one in reports] == [
        ("panel", True),
        ("inverter", False),
    ]


def test_refused_model_is_named_in_the_log_and_by_verify(data: Path) -> None:
    invoke("train", "--data", data)
    shelf = ModelShelf(data)
    (shelf.folder / "inverter.forest").write_bytes(b"of another program")
    with capture_logs() as said:
        models = load_models(shelf)
    assert list(models) == ["panel"]
    advice = "run 'wattscope train --class inverter', or remove the file"
    assert said == [
        {
            "event": "model refused",
            "file": "models/inverter.forest",
            "reason": "is no model file",
            "advice": advice,
            "log_level": "error",
        }
    ]
    outcome = invoke("verify", "--data", data)
    assert outcome.status == 1
    assert f"damage: models/inverter.forest: is no model file; {advice}" in outcome.out
