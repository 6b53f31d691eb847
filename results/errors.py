"""The typed error of this package."""

from __future__ import annotations


class ResultError(Exception):
    """A result cannot be written, read, found or compared. The text says what was tried and what to do."""
