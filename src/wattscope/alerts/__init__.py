"""Rules that raise alerts: what holds, for how long, when it is over, and who has dealt with it.

::

             holds for for_s                      comes back behind the hysteresis for a while
    calm ─────────────────────▶ raised ────────────────────────────────────────────▶ cleared
                                 │  ▲
                    acknowledge, │  │ the time of silence is over
                         silence ▼  │
                          acknowledged, silenced

Everything here is a pure function of values, instants and the state before; the state is plain
columns that can be saved and loaded at any point.
"""

from wattscope.alerts.lifecycle import acknowledge, clear, raise_alert, reopen, silence, wake
from wattscope.alerts.preview import Fired, preview
from wattscope.alerts.rule_faults import find_rule_faults
from wattscope.alerts.saved_state import pack_state, unpack_state
from wattscope.alerts.schedule import is_within
from wattscope.alerts.watch import Place, Step, Watch, WatchState, make_state, step

__all__ = [
    "Fired",
    "Place",
    "Step",
    "Watch",
    "WatchState",
    "acknowledge",
    "clear",
    "find_rule_faults",
    "is_within",
    "make_state",
    "pack_state",
    "preview",
    "raise_alert",
    "reopen",
    "silence",
    "step",
    "unpack_state",
    "wake",
]
