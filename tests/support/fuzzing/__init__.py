"""Fuzz everything that Tare reads: mutated inputs, each judged in a worker process with limits.

``python -m support.fuzzing`` (or ``nox -s fuzz``) runs any number of them, ``tests/unit/test_fuzzing.py`` a few hundred.
"""
