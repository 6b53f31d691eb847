"""Simulate what the method does on values whose truth is known: the tables of ``docs/method.md``."""
