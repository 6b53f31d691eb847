"""Small static programs without libc: their common base (``sys.h``) and their compilation."""
