"""Runners and the places they make: images, agent, launcher, collectors, containers, guests and the host."""
