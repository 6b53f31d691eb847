"""Kill real runs at random moments, and measure hostile jobs, to see that both end in a record and a clean host.

``python -m tare.bench.tools.chaos``; ``nox -s chaos`` calls it. Hostile jobs run only inside of a contained place
(:mod:`tare.bench.tools.chaos.containment`), because every run measures ``bare`` as well.
"""
