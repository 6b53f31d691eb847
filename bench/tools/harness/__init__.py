"""Measure what the suite's launches cost beside the same launches in plain C and in other container tools."""
