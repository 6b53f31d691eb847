"""Define the errors that this package raises."""

from __future__ import annotations


class ResultError(Exception):
    """A result cannot be written, read, found or compared; the text tells what was tried and what to do about it."""


class NotWritten(ResultError):
    """A file cannot be written: the disk is full, or not writable. What was written before is kept."""
