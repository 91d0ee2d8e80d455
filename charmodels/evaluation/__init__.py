"""How good a model is: likelihood, novelty, copying."""
