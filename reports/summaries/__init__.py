"""Compute from one run's record what sections and plots show. Pure functions of the report's input."""
