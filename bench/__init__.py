"""Choose what to measure, measure it, and report: plan, provision, launch, collect, store, compare."""
