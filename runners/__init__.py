"""Make places and run jobs in them: images, agent, launcher, collectors, containers, guests and the host."""
