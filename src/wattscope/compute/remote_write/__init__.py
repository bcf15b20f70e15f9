"""Prometheus' remote write: bytes to series and samples, pure and bounded."""
