"""Plug the suite into pytest: collect tests, measure all of them together, replay the trials."""
