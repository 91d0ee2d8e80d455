"""A chat page for small character models: `python -m demo`."""
