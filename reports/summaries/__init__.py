"""Figures of one run, computed once for sections, plots and texts."""
