"""Requests of remote write, by Google's protobuf and pyarrow's snappy, which never met ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
from google.protobuf import (  # type: ignore[import-untyped]  # likewise
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

STALE: Final = 0x7FF0000000000002
"""Bits of the value that says that a series has ended."""
V1_HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
V2_HEADERS: Final = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}
_KINDS: Final = {"double": 1, "int64": 3, "uint64": 4, "string": 9, "bytes": 12, "uint32": 13}
_MESSAGE: Final = 11
_SCHEMA: Final = """
v1.WriteRequest: *TimeSeries timeseries 1, *Metadata metadata 3
v1.TimeSeries: *Label labels 1, *Sample samples 2, *Exemplar exemplars 3, *Histogram histograms 4
v1.Label: string name 1, string value 2
v1.Sample: double value 1, int64 timestamp 2
v1.Exemplar: *Label labels 1, double value 2, int64 timestamp 3
v1.Histogram: uint64 count_int 1, double sum 3, int64 timestamp 15
v1.Metadata: uint32 type 1, string metric_family_name 2, string help 4, string unit 5
v2.Request: *string symbols 4, *TimeSeries timeseries 5
v2.TimeSeries: *uint32 labels_refs 1, *Sample samples 2, *Histogram histograms 3, \
*Exemplar exemplars 4, Metadata metadata 5, int64 created_timestamp 6
v2.Sample: double value 1, int64 timestamp 2, int64 start_timestamp 3
v2.Exemplar: *uint32 labels_refs 1, double value 2, int64 timestamp 3
v2.Histogram: uint64 count_int 1, double sum 3, int64 timestamp 15
v2.Metadata: uint32 type 1, uint32 help_ref 3, uint32 unit_ref 4
"""


@dataclass(frozen=True)
class Series:
    """One series of a request."""

    labels: Sequence[tuple[str, str]]
    samples: Sequence[tuple[int, float]] = ()
    """Instant [ms] and value."""
    histograms: Sequence[int] = ()
    """Instants [ms]."""
    exemplars: Sequence[int] = ()


def series(name: str, samples: Sequence[tuple[int, float]] = (), **labels: str) -> Series:
    """A series as senders write it: labels in the order of their names."""
    return Series(sorted({"__name__": name, **labels}.items()), samples)


@cache
def message(name: str) -> Any:  # noqa: ANN401  # made at run time
    """The class of a message, such as ``v1.WriteRequest``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@cache
def _pool() -> Any:  # noqa: ANN401  # the library tells no types
    pool = descriptor_pool.DescriptorPool()
    for package in ("v1", "v2"):
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3"
        )
        for line in _SCHEMA.replace("\\\n", "").split("\n"):
            if line.startswith(f"{package}."):
                head, _, fields = line.partition(": ")
                _describe(file.message_type.add(name=head[3:]), package, fields.split(", "))
        pool.Add(file)
    return pool


def _describe(made: Any, package: str, fields: Iterable[str]) -> None:  # noqa: ANN401  # as above
    for field in fields:
        kind, name, number = field.split()
        plain = kind.removeprefix("*")
        one = made.field.add(name=name, number=int(number), label=3 if kind != plain else 1)
        one.type = _KINDS.get(plain, _MESSAGE)
        if one.type == _MESSAGE:
            one.type_name = f".{package}.{plain}"


def encode_v1(many: Iterable[Series], metadata: Mapping[str, str] | None = None) -> bytes:
    """A ``WriteRequest``, not packed; ``metadata``: help by name."""
    request = message("v1.WriteRequest")()
    for one in many:
        made = request.timeseries.add()
        for name, value in one.labels:
            made.labels.add(name=name, value=value)
        for time, number in one.samples:
            made.samples.add(timestamp=time, value=number)
        for time in one.histograms:
            made.histograms.add(timestamp=time, count_int=3, sum=1.5)
        for time in one.exemplars:
            made.exemplars.add(timestamp=time, value=1.0).labels.add(name="trace", value="a")
    for name, text in (metadata or {}).items():
        request.metadata.add(type=2, metric_family_name=name, help=text)
    whole: bytes = request.SerializeToString()
    return whole


def encode_v2(many: Iterable[Series]) -> bytes:
    """A ``Request`` of 2.0, not packed, with metadata and created timestamps."""
    request = message("v2.Request")()
    symbols: dict[str, int] = {"": 0}

    def refer(text: str) -> int:
        return symbols.setdefault(text, len(symbols))

    for one in many:
        made = request.timeseries.add(created_timestamp=1_700_000_000_000)
        made.labels_refs.extend(refer(text) for pair in one.labels for text in pair)
        made.metadata.help_ref, made.metadata.type = refer("help"), 2
        for time, number in one.samples:
            made.samples.add(timestamp=time, value=number)
        for time in one.histograms:
            made.histograms.add(timestamp=time, count_int=3, sum=1.5)
        for time in one.exemplars:
            made.exemplars.add(timestamp=time, value=1.0)
    request.symbols.extend(symbols)
    whole: bytes = request.SerializeToString()
    return whole


def pack(body: bytes) -> bytes:
    """A block of snappy."""
    packed: bytes = pa.compress(body, codec="snappy", asbytes=True)
    return packed
