"""A dashboard: rows of panels, and variables over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from grafana.panels import Panel, build_panel
from grafana.questions import Source

COLUMNS: Final = 24
ALL: Final = "$__all"
_OF_INTERVALS: Final[dict[str, None]] = {"auto": None, "auto_min": None, "auto_count": None}
"""The SDK writes them for variables of every type."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard, filled by a question to its source."""

    name: str
    label: str
    question: str
    """``label_values(…)``, SQL or InfluxQL; for a ``box``, what stands in it at first."""
    all_value: str = ""
    """What "All" stands for; empty: a list of all that there is."""
    is_box: bool = False
    """A box to write in, in place of a list."""
    is_one: bool = False
    """One is chosen, never several or all."""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard, all of one source."""

    uid: str
    """Its address in Grafana, and the name of its file."""
    title: str
    description: str
    source: Source
    variables: tuple[Variable, ...]
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    """Heading and panels, which flow from left to right."""
    period: str = "now-24h"
    """From when on it shows at first."""
    refresh: str = "30s"


def build_board(board: Board) -> model.Dashboard:
    """The dashboard as Grafana saves it."""
    return model.Dashboard(
        uid=board.uid,
        title=board.title,
        description=board.description,
        tags=["wattscope", board.source.value[1]],
        # That of whoever looks; so days are theirs.
        timezone="browser",
        editable=True,
        graph_tooltip=model.DashboardCursorSync.CROSSHAIR,
        time=model.DashboardDashboardTime(from_val=board.period, to="now"),
        refresh=board.refresh,
        version=1,
        templating=model.DashboardDashboardTemplating(
            list_val=[_build_variable(one, board.source) for one in board.variables]
        ),
        annotations=model.AnnotationContainer(list_val=[]),
        panels=list(_place(board)),
    )


def write_board(board: Board) -> str:
    """The text of its file: the same for the same dashboard."""
    return json.dumps(build_board(board), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _build_variable(variable: Variable, source: Source) -> model.VariableModel:
    if variable.is_box:
        option = model.VariableOption(text=variable.question, value=variable.question)
        return model.VariableModel(
            type_val=model.VariableType.TEXTBOX,
            name=variable.name,
            label=variable.label,
            query=variable.question,
            current=option,
            options=[option],
            **_OF_INTERVALS,
        )
    is_many = not variable.is_one
    return model.VariableModel(
        type_val=model.VariableType.QUERY,
        name=variable.name,
        label=variable.label,
        datasource=source.ref,
        query=_write_question(variable, source),
        definition=variable.question,
        refresh=model.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=model.VariableSort.ALPHABETICAL_ASC,
        multi=is_many,
        include_all=is_many,
        all_value=variable.all_value or None,
        current=model.VariableOption(text="All", value=ALL) if is_many else None,
        **_OF_INTERVALS,
    )


def _write_question(variable: Variable, source: Source) -> str | dict[str, object]:
    if source.kind == "prometheus":
        return {"query": variable.question, "refId": f"Variable-{variable.name}", "qryType": 5}
    return variable.question


def _place(board: Board) -> Iterator[model.Panel | model.RowPanel]:
    number, y = 0, 0
    for heading, panels in board.rows:
        number += 1
        yield model.RowPanel(
            id_val=number,
            title=heading,
            collapsed=False,
            grid_pos=model.GridPos(x=0, y=y, w=COLUMNS, h=1),
            panels=[],
        )
        x, tallest, y = 0, 0, y + 1
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            place = model.GridPos(x=x, y=y, w=panel.width, h=panel.height)
            yield build_panel(panel, board.source, number, place)
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
