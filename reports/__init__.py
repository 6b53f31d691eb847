"""What it means: plots, pages, terminal tables and exports, made from stored trials by pure functions."""
