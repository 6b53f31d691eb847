"""What a user asked of a run: settings, keywords and the request made of them."""
