"""The agent, its wire, and the conversation with it."""
