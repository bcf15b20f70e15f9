"""Samples of Prometheus: lines, what they mean by a profile, and pages of them."""
