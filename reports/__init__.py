"""Turn stored trials into figures, pages, terminal tables and exports, by pure functions."""
