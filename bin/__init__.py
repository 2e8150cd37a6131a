"""The command-line binaries: each parses its flags and calls one function."""
