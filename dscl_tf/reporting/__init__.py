"""Reports: one self-contained HTML file from an experiment or a run."""
