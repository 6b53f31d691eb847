"""Write, find, read and upgrade runs on disk."""
