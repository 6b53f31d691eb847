"""Render reports as HTML, Markdown and terminal text, and comparisons as Markdown and JUnit."""
