"""The pytest plugin behind `nox -s bench`: collect, measure, replay."""
