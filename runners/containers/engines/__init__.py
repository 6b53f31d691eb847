"""Run containers by engines, the daemons and tools that users call, along the path that users take."""
