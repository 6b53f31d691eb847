"""Programs for developers of the suite; nothing in the suite imports them."""
