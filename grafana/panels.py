"""A panel in our words, and its shape in Grafana's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from grafana_foundation_sdk.models import barchart as bars
from grafana_foundation_sdk.models import bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.models import dashboard as model

from grafana.questions import Question, Shape, Source, build_target

MANY_POINTS: Final = 10_000
"""Points of a panel that folds them itself: quarters of an hour of 104 days. 11,000 are refused."""


class Look(Enum):
    """How a panel shows its numbers: Grafana's name of its kind, and what we do with it."""

    CURVES = ("timeseries", "lines")
    COLUMNS = ("timeseries", "bars")
    """Curves, drawn as bars."""
    DAYS = ("barchart", "folded")
    """Points of a curve added up by local day; questions need fixed names."""
    BARS = ("barchart", "rows")
    """A bar for each row of a table, named by its first column of text."""
    TILE = ("stat", "newest")
    RANKING = ("bargauge", "newest")
    TABLE = ("table", "rows")

    @property
    def kind(self) -> str:
        """Grafana's name of the kind of panel."""
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel."""

    title: str
    description: str
    unit: str
    """An id of Grafana's own units, such as ``watt`` or ``kwatth``."""
    questions: tuple[Question, ...]
    look: Look = Look.CURVES
    width: int = 12
    """Of 24 columns."""
    height: int = 8
    period: str = ""
    """A period of its own: ``now/d`` is the local day so far; empty: that of the dashboard."""
    steps: tuple[tuple[float | None, str], ...] = ()
    """Thresholds: from which value on which colour; the first value is None."""
    words: tuple[tuple[float, float | None, str, str], ...] = ()
    """From, to, text and colour, where a range of values has a name."""
    colours: Mapping[str, str] = field(default_factory=dict)
    """Of series, by name."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Of series or columns that have another unit, by name."""
    decimals: int | None = None
    is_stacked: bool = False
    top: tuple[str, int] | None = None
    """The column by which rows are ranked, and how many are shown."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """New names of columns; one without a new name is hidden."""


def build_panel(panel: Panel, source: Source, number: int, place: model.GridPos) -> model.Panel:
    """The panel as Grafana saves it.

    Args:
        panel: In our words.
        source: Where all of its questions go.
        number: Its id in the dashboard.
        place: Where it lies.
    """
    has_own_step = any(one.step for one in panel.questions)
    return model.Panel(
        type_val=panel.look.kind,
        id_val=number,
        title=panel.title,
        description=panel.description,
        datasource=source.ref,
        targets=[build_target(source, at, one) for at, one in enumerate(panel.questions)],
        grid_pos=place,
        time_from=panel.period or None,
        max_data_points=MANY_POINTS if has_own_step else None,
        interval=next((one.step for one in panel.questions if one.step), None),
        transformations=_build_transformations(panel) or None,
        options=_build_options(panel),
        field_config=model.FieldConfigSource(
            defaults=_build_defaults(panel), overrides=_build_overrides(panel)
        ),
    )


def _build_defaults(panel: Panel) -> model.FieldConfig:
    steps = panel.steps or ((None, "text"),)
    return model.FieldConfig(
        unit=panel.unit,
        decimals=panel.decimals,
        no_value="no data",
        color=model.FieldColor(
            mode=model.FieldColorModeId.THRESHOLDS
            if panel.steps
            else model.FieldColorModeId.PALETTE_CLASSIC
        ),
        thresholds=model.ThresholdsConfig(
            mode=model.ThresholdsMode.ABSOLUTE,
            steps=[model.Threshold(value=value, color=colour) for value, colour in steps],
        ),
        mappings=[
            model.RangeMap(
                options=model.DashboardRangeMapOptions(
                    from_val=start,
                    to=end,
                    result=model.ValueMappingResult(text=text, color=colour, index=index),
                )
            )
            for index, (start, end, text, colour) in enumerate(panel.words)
        ]
        or None,
        custom=_build_custom(panel),
    )


def _build_custom(panel: Panel) -> object:
    if panel.look in {Look.CURVES, Look.COLUMNS}:
        is_bars = panel.look is Look.COLUMNS
        return timeseries.FieldConfig(
            draw_style=common.GraphDrawStyle.BARS if is_bars else common.GraphDrawStyle.LINE,
            fill_opacity=60 if is_bars else 10,
            line_width=1,
            show_points=common.VisibilityMode.NEVER,
            # A device that was silent leaves a gap.
            span_nulls=False,
            # A point stands for what follows it.
            bar_alignment=common.BarAlignment.AFTER,
            stacking=common.StackingConfig(
                mode=common.StackingMode.NORMAL if panel.is_stacked else common.StackingMode.NONE,
                group="A",
            ),
        )
    return bars.FieldConfig(fill_opacity=80) if panel.look in {Look.DAYS, Look.BARS} else None


def _build_overrides(panel: Panel) -> list[model.DashboardFieldConfigSourceOverrides]:
    told: dict[str, list[model.DynamicConfigValue]] = {}
    for name, unit in panel.units.items():
        told.setdefault(name, []).append(model.DynamicConfigValue(id_val="unit", value=unit))
    for name, colour in panel.colours.items():
        value = {"mode": "fixed", "fixedColor": colour}
        told.setdefault(name, []).append(model.DynamicConfigValue(id_val="color", value=value))
    return [
        model.DashboardFieldConfigSourceOverrides(
            matcher=model.MatcherConfig(id_val="byName", options=name), properties=properties
        )
        for name, properties in told.items()
    ]


def _build_options(panel: Panel) -> object:
    legend = common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=[],
    )
    tooltip = common.VizTooltipOptions(
        mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
    )
    # Each row of a table is a number of its own; of a curve the newest counts.
    has_rows = any(one.shape is Shape.TABLE for one in panel.questions)
    newest = common.ReduceDataOptions(values=has_rows, calcs=["lastNotNull"], fields="")
    match panel.look:
        case Look.CURVES | Look.COLUMNS:
            return timeseries.Options(legend=legend, tooltip=tooltip)
        case Look.DAYS | Look.BARS:
            stacking = common.StackingMode.NORMAL if panel.is_stacked else common.StackingMode.NONE
            return bars.Options(
                x_field="Time" if panel.look is Look.DAYS else None,
                legend=legend,
                tooltip=tooltip,
                stacking=stacking,
                show_value=common.VisibilityMode.AUTO,
                orientation=common.VizOrientation.VERTICAL,
            )
        case Look.TILE:
            return stat.Options(
                reduce_options=newest,
                graph_mode=common.BigValueGraphMode.NONE,
                color_mode=common.BigValueColorMode.VALUE,
            )
        case Look.RANKING:
            return bargauge.Options(
                reduce_options=newest,
                orientation=common.VizOrientation.HORIZONTAL,
                display_mode=common.BarGaugeDisplayMode.BASIC,
            )
        case Look.TABLE:
            return table.Options()


def _build_transformations(panel: Panel) -> list[model.DataTransformerConfig]:
    found: list[tuple[str, dict[str, object]]] = []
    if panel.look is Look.DAYS:
        found += _fold_by_day([one.name for one in panel.questions])
    if panel.top is not None:
        column, count = panel.top
        found += [
            ("sortBy", {"fields": {}, "sort": [{"field": column, "desc": True}]}),
            ("limit", {"limitField": count}),
        ]
    if panel.columns:
        renamed = {old: new for old, new in panel.columns.items() if new}
        hidden = {old: True for old, new in panel.columns.items() if not new}
        found.append(("organize", {"excludeByName": hidden, "renameByName": renamed}))
    return [model.DataTransformerConfig(id_val=name, options=words) for name, words in found]


def _fold_by_day(names: list[str]) -> list[tuple[str, dict[str, object]]]:
    """Days of the time zone in which the dashboard is looked at; no query knows them.

    Days of 23 and 25 hours are right, because what is added up are short spans.
    """
    sums: dict[str, object] = {
        name: {"operation": "aggregate", "aggregations": ["sum"]} for name in names
    }
    by_day: dict[str, object] = {"Time": {"operation": "groupby", "aggregations": []}}
    return [
        ("joinByField", {"byField": "Time", "mode": "outer"}),
        ("formatTime", {"timeField": "Time", "outputFormat": "YYYY-MM-DD", "useTimezone": True}),
        ("groupBy", {"fields": by_day | sums}),
        ("organize", {"renameByName": {f"{name} (sum)": name for name in names}}),
    ]
