"""The page: one self-contained file that needs no network."""
