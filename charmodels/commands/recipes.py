"""`python -m charmodels recipes`: the named settings."""

import json
from dataclasses import asdict

from charmodels.recipes import RECIPES


def recipes_command(*, as_json: bool) -> int:
    """Print each recipe with its dataset and purpose."""
    if as_json:
        print(json.dumps({name: asdict(recipe) for name, recipe in RECIPES.items()}))
        return 0
    for name, recipe in RECIPES.items():
        print(f"{name:<18} {recipe.dataset:<24} {recipe.purpose}")
    return 0
