"""Compare the suite's numbers on bare metal with those of the tools run by hand."""
