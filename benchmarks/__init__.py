"""Measurements: run with ``python -m benchmarks.NAME`` from the project's folder."""
