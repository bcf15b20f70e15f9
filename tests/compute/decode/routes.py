"""Routes for the tests of decoders, from the profiles that are shipped."""

from __future__ import annotations

import tomllib
from datetime import UTC, tzinfo
from functools import lru_cache
from pathlib import Path

import wattscope
from wattscope.compute.decode import DECODERS
from wattscope.compute.decode.profile import Profile, parse_profile
from wattscope.compute.decode.route import Decoded
from wattscope.ports import RawMessage

PROFILES = Path(wattscope.__file__).parent / "profiles"


def load_profile(path: Path) -> Profile:
    """The profile of a TOML file."""
    return parse_profile(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))


def list_profiles() -> list[Path]:
    """The shipped profiles of messages; those of files and registers have no topics."""
    paths = sorted(PROFILES.glob("*.toml"))
    return [path for path in paths if "topics" in tomllib.loads(path.read_text(encoding="utf-8"))]


@lru_cache(maxsize=64)
def _load_shipped(name: str) -> Profile:
    return load_profile(PROFILES / f"{name}.toml")


def decode(name: str, topic: str, payload: bytes, zone: tzinfo = UTC) -> Decoded:
    """What the shipped profile of that name makes of a message."""
    return decode_with(_load_shipped(name), topic, payload, zone)


def decode_with(profile: Profile, topic: str, payload: bytes, zone: tzinfo = UTC) -> Decoded:
    """What a profile makes of a message."""
    message = RawMessage(topic, payload, received_at_us=0)
    return DECODERS[profile.decoder](message, profile.build_route(zone))
