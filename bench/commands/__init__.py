"""Implement the commands of ``tare``, one module each; :data:`tare.bench.__main__.COMMANDS` lists them."""
