"""The right answers, computed with NumPy from the readings themselves, and the comparison.

No subject is timed before its answers have been compared with these. Sums of many doubles depend
on their order, hence a relative tolerance of one in a thousand million; the extremes of a chart
must be equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from benchmarks.store_questions import (
    BY_MONTH,
    CHART,
    CONTENT,
    FULL_SCAN,
    HOURLY_AGGREGATE,
    HOURLY_TODAY,
    LAST,
    N_PIXELS,
    ONE_METER,
    TOP_QUARTERS,
    Question,
)
from benchmarks.store_sets import MeasuredSet
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE

_TOLERANCE = 1e-9
_N_METERS_COMPARED = 5


class WrongAnswerError(Exception):
    """A subject's answer differs from the truth: there is no time to speak of."""


def answer_hourly_today(measured: MeasuredSet) -> FloatColumn:
    """Rows of (hour [µs], mean power [W]) of the newest day."""
    newest = int(measured.at_us.max())
    return _average(measured, newest - newest % US_PER_DAY, US_PER_HOUR)


def answer_top_quarters(measured: MeasuredSet) -> FloatColumn:
    """Rows of (quarter hour [µs], mean power [W]): the ten highest of the last 7 days."""
    found = _average(measured, measured.now_us - 7 * US_PER_DAY, 15 * US_PER_MINUTE)
    best: FloatColumn = found[np.argsort(-found[:, 1], kind="stable")][:10]
    return best


def answer_by_month(measured: MeasuredSet) -> FloatColumn:
    """Rows of (month [months since 1970], meter, sum of the energy column), highest sum first."""
    months = measured.at_us.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    n_meters = len(measured.meters)
    keys, place = np.unique(months * n_meters + measured.meter, return_inverse=True)
    sums = np.bincount(place, _values(measured, "energy"))
    rows = np.column_stack((keys // n_meters, keys % n_meters, sums))
    ordered: FloatColumn = rows[np.lexsort((-sums, rows[:, 0]))]
    return ordered


def answer_full_scan(measured: MeasuredSet) -> FloatColumn:
    """One row of (count, mean, max, min) of the power."""
    power = _values(measured, "power")
    return np.array([[len(power), power.mean(), power.max(), power.min()]])


def answer_one_meter(measured: MeasuredSet, meter: int) -> FloatColumn:
    """Rows of (hour [µs], mean, min, max) of the power of one meter over the last 14 days."""
    start_us = measured.now_us - 14 * US_PER_DAY
    chosen = (measured.meter == meter) & (measured.at_us >= start_us)
    at_us, power = measured.at_us[chosen], _values(measured, "power")[chosen]
    hours, first = np.unique(at_us // US_PER_HOUR, return_index=True)
    count = np.diff(np.append(first, len(at_us)))
    return np.column_stack(
        (
            hours * US_PER_HOUR,
            np.add.reduceat(power, first) / count,
            np.minimum.reduceat(power, first),
            np.maximum.reduceat(power, first),
        )
    )


def answer_content(measured: MeasuredSet) -> FloatColumn:
    """Rows of (count, sum, min, max), one a column of the set."""
    columns = [one.values for one in measured.columns]
    return np.array([(len(one), one.sum(), one.min(), one.max()) for one in columns])


def answer_last(measured: MeasuredSet) -> FloatColumn:
    """Rows of (meter, newest power), by meter."""
    is_last = np.append(np.diff(measured.meter) != 0, True)
    return np.column_stack((measured.meter[is_last], _values(measured, "power")[is_last]))


def _average(measured: MeasuredSet, start_us: int, bucket_us: int) -> FloatColumn:
    """Rows of (bucket [µs], mean power of all meters) from an instant on."""
    chosen = measured.at_us >= start_us
    buckets, place = np.unique(measured.at_us[chosen] // bucket_us, return_inverse=True)
    means = np.bincount(place, _values(measured, "power")[chosen]) / np.bincount(place)
    return np.column_stack((buckets * bucket_us, means))


def _values(measured: MeasuredSet, name: str) -> FloatColumn:
    [values] = [one.values for one in measured.columns if one.name == name]
    return values


def find_chart_fault(
    points: FloatColumn, at_us: Int64Column, values: FloatColumn, n_pixels: int
) -> str | None:
    """What is wrong with a chart, or None.

    It must cover the readings from the first to the last with intervals no wider than a pixel and
    give the least and the greatest value of each. A subject may lay its edges on a grid of its
    own, and then says by how much: a value so near to an edge may count on either side, but on one.

    Args:
        points: Rows of (first instant of an interval [µs], min, max) and perhaps (how much later
            it may begin in truth [µs]), by time; an interval ends where the next begins, the last
            one with the readings.
        at_us: Instants of all readings of the series, rising [µs].
        values: Their values.
        n_pixels: Width of the chart.
    """
    starts = points[:, 0].astype(np.int64)
    step_us = int(at_us[1] - at_us[0])
    width_us = (int(at_us[-1]) + step_us - int(at_us[0])) / n_pixels
    slack_us = points[:, 3] if points.shape[1] > 3 else np.zeros(len(points))
    if len(points) == 0 or np.any(np.diff(starts) <= 0):
        return "its intervals do not rise"
    if starts[0] > at_us[0] or at_us[-1] - starts[-1] > width_us:
        return "it does not reach from the first reading to the last"
    # Intervals of some begin with readings, pixels between them: they may differ by one reading.
    if np.diff(starts).max(initial=0) > width_us + step_us or slack_us.max() > width_us:
        return f"an interval is wider than a pixel of {width_us / 1e6:.0f} s"
    # Every interval has a part that is its own, and one at its end that it may share.
    own = np.searchsorted(at_us, np.minimum(starts + slack_us, np.append(starts[1:], at_us[-1])))
    first = np.searchsorted(at_us, starts)
    own[0] = first[0]
    for name, found, side in (("least", points[:, 1], 1.0), ("greatest", -points[:, 2], -1.0)):
        n_wrong = _count_wrong(found, side * values, first, own)
        if n_wrong:
            return f"the {name} value of {n_wrong} intervals is wrong"
    return None


def _count_wrong(
    lows: FloatColumn, values: FloatColumn, first: Int64Column, own: Int64Column
) -> int:
    """Intervals whose least value is not that of their own part, alone or with shared ones.

    Args:
        lows: Least value of each interval, as told.
        values: All values.
        first: Row with which each interval may begin at the earliest.
        own: Row from which on it holds every value up to the ``first`` of the next.
    """
    ends = np.append(first[1:], len(values))
    shared_ends = np.append(own[1:], len(values))
    n_wrong = 0
    for at, low in enumerate(lows):
        inner = values[own[at] : ends[at]].min(initial=np.inf)
        outer = values[first[at] : shared_ends[at]].min(initial=np.inf)
        # What it shares with the interval before must be seen in one of the two.
        shared = values[first[at] : own[at]].min(initial=np.inf)
        neighbour = min(low, lows[at - 1]) if at else low
        n_wrong += not (outer <= low <= inner and low < np.inf and neighbour <= shared)
    return n_wrong


def check_answers(subject: str, measured: MeasuredSet, questions: Mapping[str, Question]) -> None:
    """Compare every answer with the truth.

    Raises:
        WrongAnswerError: One differs.
    """
    truths = {
        HOURLY_TODAY: answer_hourly_today,
        HOURLY_AGGREGATE: answer_hourly_today,
        TOP_QUARTERS: answer_top_quarters,
        BY_MONTH: answer_by_month,
        FULL_SCAN: answer_full_scan,
        LAST: answer_last,
        CONTENT: answer_content,
    }
    for name, question in questions.items():
        told = f"{subject}, {measured.name}, {name}"
        answer = partial(_answer, question)
        if name == CHART:
            series = measured.meter == 0
            values = _values(measured, "power")[series]
            require_chart(told, answer(0), measured.at_us[series], values, N_PIXELS)
        elif name == ONE_METER:
            for meter in range(min(_N_METERS_COMPARED, len(measured.meters))):
                compare(told, answer(meter), answer_one_meter(measured, meter))
        else:
            compare(told, answer(0), truths[name](measured))


def _answer(question: Question, number: int) -> FloatColumn:
    return question.read(question.ask(number))


def require_chart(
    told: str, points: FloatColumn, at_us: Int64Column, values: FloatColumn, n_pixels: int
) -> None:
    """A chart must be without fault; the arguments are those of ``find_chart_fault``.

    Raises:
        WrongAnswerError: It has one.
    """
    fault = find_chart_fault(points, at_us, values, n_pixels)
    if fault is not None:
        raise WrongAnswerError(f"{told}: {fault}")


def compare(told: str, found: FloatColumn, true: FloatColumn) -> None:
    """Two answers must have the same rows, up to the order in which sums were taken.

    Raises:
        WrongAnswerError: They differ; the message shows the first difference.
    """
    if found.shape != true.shape:
        raise WrongAnswerError(f"{told}: {found.shape} rows and columns, right is {true.shape}")
    wrong = np.argwhere(~np.isclose(found, true, rtol=_TOLERANCE, atol=0.0))
    if len(wrong):
        row, column = wrong[0]
        raise WrongAnswerError(
            f"{told}: {found[row, column]!r} in row {row}, column {column}; "
            f"right is {true[row, column]!r}"
        )
