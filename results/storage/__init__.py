"""Runs on disk: write, find, read and upgrade them."""
