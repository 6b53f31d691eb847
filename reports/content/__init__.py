"""The page as a tree of nodes, independent of how it is rendered."""
