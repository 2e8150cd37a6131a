"""Every flag of the binaries, defined once, with builders that return configs."""
