"""Estimates, intervals and checks of series: pure functions of samples."""
