"""Measure a plan: provision, launch places, run jobs, collect what they cost, store every trial."""
