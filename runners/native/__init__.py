"""Small static programs without libc: their common base (``sys.h``) and the door that compiles them."""
