"""Measure a plan: provision, open places, run trials, store them."""
