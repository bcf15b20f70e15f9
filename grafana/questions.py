"""A question to one of the four data sources of ``deploy/grafana/provisioning/datasources``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import prometheus
from grafana_foundation_sdk.models.common import DataSourceRef


class Source(Enum):
    """A data source: the type of its plugin, and the uid under which it is provisioned."""

    WATTSCOPE = ("prometheus", "wattscope")
    PROMETHEUS = ("prometheus", "prometheus")
    TIMESCALEDB = ("grafana-postgresql-datasource", "timescaledb")
    INFLUXDB = ("influxdb", "influxql")

    @property
    def kind(self) -> str:
        """The type of its plugin."""
        return self.value[0]

    @property
    def ref(self) -> DataSourceRef:
        return DataSourceRef(*self.value)


class Shape(Enum):
    """What a question gives."""

    NOW = "now"
    """One number a series, at the end of the period."""
    CURVE = "curve"
    """Points over the period."""
    TABLE = "table"
    """Rows."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the language of the source, with Grafana's variables in it."""

    text: str
    name: str = "{{device}}"
    """Of the series; in PromQL with labels in double braces, in InfluxQL as ``$tag_device``."""
    shape: Shape = Shape.CURVE
    step: str = ""
    """Smallest distance of points, such as ``1h``; empty: as many as the screen has."""


class PlainQuery(variants.Dataquery):
    """A query of a plugin that the SDK has no type for, as the plugin saves it."""

    def __init__(self, words: dict[str, object]) -> None:
        """Keep the words of the plugin."""
        self.words = words

    def to_json(self) -> dict[str, object]:
        """The words, as the encoder of the SDK asks for them."""
        return self.words


REF_IDS: Final = "ABCDEFGHIJ"


def build_target(source: Source, number: int, question: Question) -> variants.Dataquery:
    """The question as a panel saves it; ``number`` is its place in the panel."""
    ref_id = REF_IDS[number]
    if source.kind == "prometheus":
        return _build_promql(source, ref_id, question)
    words: dict[str, object] = {
        "datasource": source.ref.to_json(),
        "refId": ref_id,
        "rawQuery": True,
    }
    if source is Source.TIMESCALEDB:
        is_curve = question.shape is Shape.CURVE
        return PlainQuery(
            words
            | {
                "editorMode": "code",
                "format": "time_series" if is_curve else "table",
                "rawSql": question.text,
            }
        )
    return PlainQuery(
        words
        | {
            "query": question.text,
            "resultFormat": "table" if question.shape is Shape.TABLE else "time_series",
            "alias": question.name,
        }
    )


def _build_promql(source: Source, ref_id: str, question: Question) -> prometheus.Dataquery:
    is_curve = question.shape is Shape.CURVE
    is_table = question.shape is Shape.TABLE
    return prometheus.Dataquery(
        ref_id=ref_id,
        datasource=source.ref,
        expr=question.text,
        legend_format=question.name,
        editor_mode=prometheus.QueryEditorMode.CODE,
        range_val=is_curve,
        instant=not is_curve,
        interval=question.step or None,
        format_val=prometheus.PromQueryFormat.TABLE
        if is_table
        else prometheus.PromQueryFormat.TIME_SERIES,
    )
