"""Build the report as a tree of nodes, independent of how it is rendered."""
