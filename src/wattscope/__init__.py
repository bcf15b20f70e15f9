"""Wattscope reads every meter, keeps every reading and shows what flows where and what it costs."""

__version__ = "0.1.0"
