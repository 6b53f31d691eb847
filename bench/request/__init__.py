"""Read what a user asks of a run: settings, keywords, and the request made of them."""
