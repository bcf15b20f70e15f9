"""Findings become incidents: one matter each, with its causes, its cost and what to do."""

from wattscope.incidents.losses import sum_losses
from wattscope.incidents.merge import merge_findings

__all__ = ["merge_findings", "sum_losses"]
