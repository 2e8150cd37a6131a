"""A report of an experiment or a run, as one HTML page."""
