"""Engines: daemons and tools that make containers when users ask them to, each driven by the path that users run."""
