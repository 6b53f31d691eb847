"""Renderers: HTML, Markdown, the terminal and lists of changes."""
