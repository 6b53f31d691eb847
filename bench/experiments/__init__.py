"""Measure what is more than one job in one place. Each experiment is a short module; :mod:`.listing` has them all."""
