"""What each command of `python -m charmodels` does, once its arguments are read."""
