"""Outputs: what is passed on to other systems."""
