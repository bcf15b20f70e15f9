"""Health, quarantine, topics and SQL: how the program itself stands."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wattscope.core.time_grid import format_utc
from wattscope.web.problems import PROBLEM_RESPONSES, UNREADY_RESPONSES, problem
from wattscope.web.services import Services

MAX_SQL_ROWS = 100_000


class SqlQuestion(BaseModel):
    """One SELECT over the views of docs/sql.md."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(max_length=20_000, examples=["SELECT * FROM rollup_1d LIMIT 10"])


def build_operation_routes(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operations"], responses=PROBLEM_RESPONSES)

    @router.get("/healthz")
    def read_liveness() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "alive"}

    @router.get("/readyz", response_model=None, responses=UNREADY_RESPONSES)
    def read_readiness() -> Any:  # noqa: ANN401  # a response
        """Whether every source is connected and data is taken; 503 with the reasons where not."""
        health = services.read_health()
        waiting = [
            f"{one['name']}: {one['state']} {one['detail']}".strip()
            for one in health["sources"]
            if one["state"] != "connected"
        ]
        disk = health["disk"] or {}
        if disk.get("state") == "refusing":
            waiting.append(f"disk: {disk['detail']}")
        if waiting:
            return problem(503, "not_ready", "; ".join(waiting))
        return {"status": "ready"}

    @router.get("/api/health")
    def read_health() -> dict[str, Any]:
        """Sources, log, store, counters, quarantine and disk."""
        return services.read_health()

    @router.get("/api/topics")
    def read_topics() -> dict[str, Any]:
        """The broker's address and the topics heard on it."""
        return services.read_topics()

    @router.get("/api/quarantine")
    def read_quarantine(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, code: str | None = None
    ) -> dict[str, Any]:
        """What was set aside, newest first, with its bytes and the reason."""
        items = [
            {
                "id": one.id,
                "source": one.item.source,
                "topic": one.item.topic,
                "received_at": format_utc(one.item.received_at_us),
                "code": one.item.code,
                "detail": one.item.detail,
                "payload_text": one.item.payload.decode(errors="replace")[:2000],
                "payload_base64": base64.b64encode(one.item.payload[:4096]).decode(),
            }
            for one in services.shelf.list_newest(limit, code)
        ]
        by_code = services.shelf.count_by_code()
        return {"items": items, "total": sum(by_code.values()), "by_code": by_code}

    @router.post("/api/sql")
    def ask_sql(question: SqlQuestion) -> dict[str, Any]:
        """The answer to one read-only SQL question; times are UTC."""
        table = services.store.query(question.sql)
        rows = [[_to_json(cell) for cell in row] for row in table.rows[:MAX_SQL_ROWS]]
        return {
            "columns": list(table.columns),
            "rows": rows,
            "is_cut": len(table.rows) > MAX_SQL_ROWS,
        }

    return router


def _to_json(cell: object) -> Any:  # noqa: ANN401  # a JSON value
    """A cell of a SQL answer; what JSON has no form for becomes its text."""
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, float):
        return cell if cell - cell == 0 else None
    return cell.isoformat() + "Z" if hasattr(cell, "isoformat") else str(cell)
