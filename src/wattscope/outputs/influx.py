"""Values as points to an InfluxDB, by the first or the second of its ways to write.

::

    POST /write?db=…                      InfluxDB 1, user and password as HTTP Basic
    POST /api/v2/write?org=…&bucket=…     InfluxDB 2, ``Authorization: Token …``

It promises that a point which comes again is equal to the first time, so that InfluxDB has it once:
a series is named by site and device, which stay, and not by anything that people rename. It
promises that points which InfluxDB refuses for good do not keep the others from getting through.
Values that are missing or implausible are left out: a point could not say what they are.
"""

from __future__ import annotations

import base64
import gzip
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import numpy as np
import structlog

from wattscope.compute.encode.line_points import (
    Layout,
    LineSeries,
    encode_points,
    name_series,
)
from wattscope.compute.influx_answers import Judgement, Verdict, judge_answer
from wattscope.core.errors import NotTakenError
from wattscope.core.reading import Batch
from wattscope.core.topology import Series
from wattscope.outputs.http_post import HttpPoster
from wattscope.ports import OutputReceipt

_log = structlog.get_logger()
WRONG_WAIT_S: Final = 60.0
"""How long to wait where somebody has to change something first [s]."""
MAX_SPLITS: Final = 64
"""Bodies that are cut in half to find the points because of which they are refused, in one send."""
_GZIP_LEVEL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxOptions:
    """Where to, as whom, and what."""

    url: str
    """``http://host:8086`` or ``https://…``; without a password."""
    database: str | None = None
    """Of InfluxDB 1; None: ``bucket`` of InfluxDB 2 it is."""
    retention_policy: str | None = None
    """Of InfluxDB 1; None: the database's own."""
    bucket: str | None = None
    org: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    measurement: str = "wattscope"
    layout: Layout = Layout.FIELDS
    max_lines: int = 5000
    """Points of one request."""
    quantities: tuple[str, ...] = ("*",)
    """Patterns of the quantities that are passed on."""
    devices: tuple[str, ...] = ("*",)
    """Likewise of devices."""
    timeout_s: float = 10.0


class InfluxOutput:
    """One database or bucket; for one thread, but for ``close``."""

    kind = "influx"

    def __init__(
        self,
        options: InfluxOptions,
        list_series: Callable[[], Iterable[Series]],
        now_us: Callable[[], int],
    ) -> None:
        """Touch no network yet.

        Args:
            options: Checked already, but for the address.
            list_series: All series that have a name.
            now_us: The clock [µs].

        Raises:
            SettingsError: The address is none, or the certificate authority cannot be read.
        """
        self._options = options
        self._list_series, self._now_us = list_series, now_us
        self._poster = HttpPoster(options.url, ca_file=options.ca_file, timeout_s=options.timeout_s)
        self._path = _build_path(options)
        self._headers = _build_headers(options)
        self._names: dict[int, LineSeries | None] = {}
        """None: of a series that is not passed on."""
        self._n_lines = options.max_lines

    @property
    def address(self) -> str:
        """Where it writes to."""
        place = self._options.database or self._options.bucket or ""
        return f"{self._poster.address} {place}"

    def send(self, batch: Batch) -> OutputReceipt:
        """Write the values; blocks.

        Raises:
            NotTakenError: InfluxDB cannot be reached, or takes nothing now.
        """
        names = self._find_names(batch)
        is_sent = batch.is_usable & np.isfinite(batch.value)
        is_sent &= np.isin(batch.series_id, np.fromiter(names, np.int32, len(names)))
        chosen = batch.take(is_sent)
        n_refused, reason = self._post_all(encode_points(chosen, names))
        return OutputReceipt(len(chosen), len(batch) - len(chosen), n_refused, reason)

    def close(self) -> None:
        """End the connection."""
        self._poster.close()

    def _find_names(self, batch: Batch) -> dict[int, LineSeries]:
        """The names of the series of a batch that are passed on."""
        ids = np.unique(batch.series_id).tolist()
        if any(one not in self._names for one in ids):
            self._names = {one.id: self._name(one) for one in self._list_series()}
        unknown = [one for one in ids if one not in self._names]
        if unknown:
            _log.error("series without a name", series=unknown[:10], count=len(unknown))
        found = ((one, self._names.get(one)) for one in ids)
        return {one: named for one, named in found if named is not None}

    def _name(self, series: Series) -> LineSeries | None:
        options = self._options
        is_wanted = _fits(series.quantity.name, options.quantities)
        if not is_wanted or not _fits(series.device, options.devices):
            return None
        return name_series(
            (("site", series.site), ("device", series.device)),
            series.quantity.name,
            layout=options.layout,
            measurement=options.measurement,
        )

    def _post_all(self, lines: list[bytes]) -> tuple[int, str]:
        """Post everything; returns how many points are refused for good, and why."""
        size = self._n_lines
        pieces = deque(lines[at : at + size] for at in range(0, len(lines), size))
        n_refused, n_splits, reason = 0, 0, ""
        while pieces:
            piece = pieces.popleft()
            judged = self._post(piece)
            if judged.verdict is Verdict.TAKEN:
                continue
            half = len(piece) // 2
            is_split = half > 0 and judged.verdict is not Verdict.PARTLY_TAKEN
            if judged.verdict is Verdict.TOO_LARGE:
                self._n_lines = max(1, half)
            elif is_split:
                n_splits += 1
                is_split = n_splits <= MAX_SPLITS
            if is_split:
                pieces.extendleft((piece[half:], piece[:half]))
                continue
            reason = judged.words
            n_refused += judged.n_dropped or len(piece)
        return n_refused, reason

    def _post(self, lines: list[bytes]) -> Judgement:
        """Post one body.

        Raises:
            NotTakenError: The answer says nothing about its points.
        """
        body = gzip.compress(b"\n".join(lines), _GZIP_LEVEL, mtime=0)
        try:
            answer = self._poster.post(self._path, body, self._headers)
        except OSError as fault:
            words = fault.strerror or str(fault) or type(fault).__name__
            raise NotTakenError(f"{self._poster.address} cannot be reached: {words}") from fault
        judged = judge_answer(answer.status, answer.body, answer.retry_after, self._now_us())
        if judged.verdict in {Verdict.LATER, Verdict.NOT_SO}:
            wait_s = WRONG_WAIT_S if judged.verdict is Verdict.NOT_SO else judged.wait_s
            raise NotTakenError(f"{self.address} answers {judged.words}", wait_s=wait_s)
        return judged


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _build_path(options: InfluxOptions) -> str:
    """Path and query of the way to write; times are nanoseconds, which all of them read."""
    if options.database is not None:
        words = {"db": options.database, "rp": options.retention_policy}
        path = "/write"
    else:
        words = {"org": options.org, "bucket": options.bucket, "precision": "ns"}
        path = "/api/v2/write"
    return f"{path}?{urlencode({key: word for key, word in words.items() if word})}"


def _build_headers(options: InfluxOptions) -> dict[str, str]:
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "gzip",
        "User-Agent": "wattscope",
    }
    if options.token is not None:
        headers["Authorization"] = f"Token {options.token}"
    elif options.username is not None:
        pair = f"{options.username}:{options.password or ''}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return headers
