"""Formatting of numbers, and the words of each language."""
