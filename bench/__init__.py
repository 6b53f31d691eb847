"""What is measured, and the wiring: plan, provision, launch, collect, store, compare and report."""
