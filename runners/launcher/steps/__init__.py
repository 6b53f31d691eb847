"""Define the steps that the launcher's child takes between ``clone3`` and ``execveat``, as small values."""
