"""Compile small static programs without libc; ``sys.h`` is their common base."""
