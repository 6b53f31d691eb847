"""Define the error that this package raises."""

from __future__ import annotations


class ResultError(Exception):
    """A result cannot be written, read, found or compared; the text tells what was tried and what to do about it."""
