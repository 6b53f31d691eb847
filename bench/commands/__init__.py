"""The commands of ``tare``, one module each; :data:`bench.__main__.COMMANDS` lists them."""
