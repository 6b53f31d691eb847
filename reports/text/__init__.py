"""Format numbers and supply the texts of each language."""
