"""Days of panels, healthy but for what a test does to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wattscope.compute.isolation_forest.learning import DeviceHistory, learn_model
from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Matrix, Window

SITE = Site("plant", "Plant", "UTC")
START_US = 1_717_200_000_000_000
"""2024-06-01 at midnight."""
STEP_US = 15 * US_PER_MINUTE
PER_DAY = 96
FEATURES = ("temperature_c", "dc_voltage_v", "dc_current_a", "production_power_w", "power_ratio")
RATING_W = 330.0


def make_window(n_panels: int, n_days: int, seed: int = 1) -> Window:
    """Panels under the same sky: bows of light with clouds, noise of sensors, black nights."""
    chance = np.random.default_rng(seed)
    n_slots = n_days * PER_DAY
    hour = np.arange(n_slots) % PER_DAY / 4
    bow = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    cloud = np.repeat(chance.uniform(0.15, 1.0, n_slots // 4), 4)
    light = 1000 * bow * cloud * (1 + chance.normal(0, 0.02, (n_panels, n_slots)))
    air = 15 + 8 * bow + np.repeat(chance.normal(0, 3, n_days), PER_DAY)
    temperature = air + 0.03 * light + chance.normal(0, 0.5, light.shape)
    voltage = np.where(light > 0, 38 - 0.1 * (temperature - 25), 0.0)
    voltage *= 1 + chance.normal(0, 0.005, light.shape)
    current = light / 1000 * 8.6 * (1 + chance.normal(0, 0.005, light.shape))
    power = voltage * current * (0.97 + chance.normal(0, 0.005, light.shape))
    devices = tuple(
        Device(f"p{number:03d}", "plant", f"Panel {number}", DeviceKind.PANEL, rating_w=RATING_W)
        for number in range(n_panels)
    )
    slots = START_US + STEP_US * np.arange(n_slots, dtype=np.int64)
    values = dict(zip(FEATURES, (temperature, voltage, current, power), strict=False))
    return Window(SITE, devices, slots, STEP_US, values)


def change(
    window: Window, quantity: str, panel: int, slots: slice, by: Callable[[Matrix], Matrix]
) -> Window:
    """The window with some values of one panel changed."""
    matrix = window.values[quantity].copy()
    matrix[panel, slots] = by(matrix[panel, slots])
    return replace(window, values={**window.values, quantity: matrix})


def at(day: int, hour: float) -> int:
    """The slot of an hour of a day."""
    return day * PER_DAY + round(hour * 4)


def learn(window: Window) -> AnomalyModel:
    """A model of what a window holds."""
    histories = [
        DeviceHistory(
            device.id,
            device.rating_w,
            {name: (window.slot_us, matrix[row]) for name, matrix in window.values.items()},
        )
        for row, device in enumerate(window.devices)
    ]
    chance = np.random.default_rng(0)
    learned = learn_model(
        "panel", histories, FEATURES, chance, trained_at_us=int(window.slot_us[-1])
    )
    return learned.model
