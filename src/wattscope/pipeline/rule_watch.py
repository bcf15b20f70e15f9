"""All rules over the live view: asked, remembered, and put anew over what the registry knows."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import Final

from wattscope.alerts import Step, Watch, pack_state, step
from wattscope.core.alerting import AlertRule, RuleKind
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device, Site
from wattscope.pipeline.alert_rows import AlertRows
from wattscope.pipeline.watched import Names, Watched, watch_rule
from wattscope.ports import LiveView

_SAVE_EVERY_US: Final = 5 * US_PER_S
_PAST_EVERY_US: Final = 60 * US_PER_S
"""What is remembered of changes is new each second, and much."""
_NAMES_EVERY_US: Final = 10 * US_PER_S
_CHANGES: Final = {RuleKind.RISES, RuleKind.FALLS}


class RuleWatch:
    """Rules that look at values. Not thread-safe: its owner has a lock."""

    def __init__(self, rows: AlertRows, names: Names, live: LiveView) -> None:
        self._rows = rows
        self._names = names
        self._live = live
        self._watched: dict[int, Watched] = {}
        self._packed = rows.load_states()
        self._signature: object = None
        self._n_series = -1
        self._followed_at_us = 0
        self._saved_at_us = 0
        self._past_saved_at_us = 0
        self._dirty: set[int] = set()
        self.devices: dict[str, Device] = {}
        """All devices, by id."""
        self.sites: dict[str, Site] = {}
        """All sites, by id."""

    def find(self, rule: int) -> Watch:
        """A rule that looks, with its places."""
        return self._watched[rule].watch

    def follow_names(self, now_us: int) -> bool:
        """Whether there are other devices or series than before.

        Series are counted at each look, what else may have changed is looked for now and then.
        """
        is_recent = now_us - self._followed_at_us < _NAMES_EVERY_US
        if is_recent and self._names.count_series() == self._n_series:
            return False
        self._followed_at_us = now_us
        devices, sites = self._names.list_devices(), self._names.list_sites()
        self._n_series = self._names.count_series()
        signature = (devices, sites, self._n_series)
        if signature == self._signature:
            return False
        self._signature = signature
        self.devices = {one.id: one for one in devices}
        self.sites = {one.id: one for one in sites}
        return True

    def rebuild(self, rules: Iterable[AlertRule], raised: Iterable[tuple[int, str, str]]) -> None:
        """Put rules over the registry anew; what they remember of a place stays.

        Args:
            rules: All of them.
            raised: Rule, device and key of each alert that is not over.
        """
        packed = self._packed | {
            rule: pack_state(one.watch, one.state) for rule, one in self._watched.items()
        }
        by_rule: dict[int, set[tuple[str, str]]] = {}
        for rule_id, device, key in raised:
            by_rule.setdefault(rule_id, set()).add((device, key))
        self._watched = {
            rule.id: watch_rule(
                rule, self._names, packed.get(rule.id, {}), by_rule.get(rule.id, set())
            )
            for rule in rules
            if rule.is_enabled and rule.kind is not RuleKind.INCIDENT
        }

    def list_places(self) -> set[tuple[int, str, str]]:
        """Rule, device and key of everything that is looked at."""
        return {
            (rule, place.device, place.key)
            for rule, one in self._watched.items()
            for place in one.watch.places
        }

    def look(self, now_us: int) -> dict[int, Step]:
        """What each rule says now; nothing is remembered yet."""
        return {
            rule: step(one.watch, one.state, *one.columns.read(self._live), now_us)
            for rule, one in self._watched.items()
        }

    def remember(self, steps: Mapping[int, Step], now_us: int) -> None:
        """Go on from these steps; what they changed is kept now and then."""
        for rule, made in steps.items():
            watched = self._watched.get(rule)
            if watched is not None and made.state is not watched.state:
                self._watched[rule] = replace(watched, state=made.state)
                self._dirty.add(rule)
        if now_us - self._saved_at_us >= _SAVE_EVERY_US:
            self._saved_at_us = now_us
            self._save_due(now_us)

    def save(self) -> None:
        """Keep all that rules remember; before the end."""
        self._save(self._watched)

    def forget(self, rule: int) -> None:
        """There is no such rule any more."""
        self._packed.pop(rule, None)
        self._watched.pop(rule, None)

    def _save_due(self, now_us: int) -> None:
        has_past = now_us - self._past_saved_at_us >= _PAST_EVERY_US
        if has_past:
            self._past_saved_at_us = now_us
        due = {
            rule
            for rule in self._dirty & self._watched.keys()
            if has_past or self._watched[rule].watch.rule.kind not in _CHANGES
        }
        self._save(due)
        self._dirty -= due

    def _save(self, rules: Container[int]) -> None:
        states = {
            rule: pack_state(one.watch, one.state)
            for rule, one in self._watched.items()
            if rule in rules
        }
        fresh = {rule: one for rule, one in states.items() if self._packed.get(rule) != one}
        self._rows.save_states(fresh)
        self._packed |= fresh
