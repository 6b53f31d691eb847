"""Where it is measured: places, the image they share, the agent in them, collectors, and the host."""
