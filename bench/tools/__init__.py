"""Programs for developers of the suite. Nothing else imports them."""
