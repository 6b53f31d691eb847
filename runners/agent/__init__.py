"""Talk to the agent: its protocol, its clock, and its jobs."""
