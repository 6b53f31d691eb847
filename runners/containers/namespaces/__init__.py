"""Make containers directly from kernel namespaces, one isolation step at a time."""
