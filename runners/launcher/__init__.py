"""Drive the launcher, a small static program that makes the top process of every place."""
