"""The agent, and the protocol that host and agent speak."""
