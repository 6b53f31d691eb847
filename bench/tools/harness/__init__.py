"""What the harness itself costs, against C loops."""
