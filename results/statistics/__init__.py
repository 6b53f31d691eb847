"""Estimates, intervals and checks of series, as pure functions of samples."""
