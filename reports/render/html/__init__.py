"""Render the page: one self-contained file that needs no network."""
