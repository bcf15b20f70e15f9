"""What is wrong with a question, in the two kinds that Prometheus' API parts."""

from __future__ import annotations

from wattscope.core.errors import QueryError


class PromqlError(QueryError):
    """A question in PromQL that is not answered."""

    kind = "execution"
    """``errorType`` of Prometheus' API."""
    code = "promql"


class PromqlTextError(PromqlError):
    """What was sent is no PromQL, no instant or no step."""

    kind = "bad_data"
    code = "promql_text"
