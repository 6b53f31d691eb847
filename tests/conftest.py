"""Being here puts `tests/` on the path: test modules share factories such as `synthetic`."""
