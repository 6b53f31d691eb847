"""Decide what to measure: runners, cases, sample counts and order."""
