"""Judge the claims of a study note on containers and virtual machines by what a run measured."""
