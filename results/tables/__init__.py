"""Trials as tables, and the index that makes large runs quick to read."""
