"""`python -m charmodels train`: a corpus becomes a run folder."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charmodels.corpus.reading import Corpus
from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.recipes import BY_HAND, RECIPES, Recipe, default_recipe, fine_tuning
from charmodels.runtime.errors import RunError, SettingError
from charmodels.training.checkpoint import RUN
from charmodels.training.plan import Began, choose_device, wanted_device
from charmodels.training.start import Start, read_start
from charmodels.training.train import Outcome, new_facts, remove_run, resume_run, train_run

if TYPE_CHECKING:
    from charmodels.__main__ import Train


def train_command(args: "Train", parse_again: Callable[["Train"], "Train"]) -> int:
    """Train, or resume; `parse_again` reads the flags once more over other defaults.

    The defaults depend on the corpus, which is known only after the first reading.
    """
    if args.resume:
        _refuse_other_settings(args)
        return _report(args.out, resume_run(args.out), as_json=args.as_json)
    began = Began()
    _refuse_what_is_there(args.out, args.force)
    recipe = _recipe(args)
    lowercase = args.lowercase or (recipe is not None and recipe.lowercase)
    corpus = open_corpus(_source(args, recipe), args.kind, lowercase=lowercase)
    start = _start(args, corpus)
    settings = parse_again(_defaults(args, recipe, corpus, start))
    if start and settings.model != replace(start.model, dropout=settings.model.dropout):
        raise SettingError(f"--from {args.start} decides the model's sizes; leave their flags out")
    if recipe and recipe.training.engine != settings.training.engine:
        raise SettingError(
            f"recipe {args.recipe} is for engine {recipe.training.engine}; leave --engine out"
        )
    if not recipe:
        print(f"settings: {_own_recipe(args, corpus).purpose}", file=sys.stderr)
    choose_device(wanted_device(settings.training))
    split = split_corpus(corpus, args.split_salt)
    for note in (*corpus.notes, *split.notes):
        print(note, file=sys.stderr)
    facts = new_facts(
        corpus,
        split,
        settings.model,
        settings.training,
        args.recipe,
        start,
        read_test=not args.no_test,
    )
    remove_run(args.out)  # only now, when nothing can be wrong with the new one any more
    return _report(
        args.out, train_run(args.out, facts, corpus, split, start, began), as_json=args.as_json
    )


def _refuse_other_settings(args: "Train") -> None:
    """A run goes on with what it began with: what else was asked for would not be done."""
    if args != replace(type(args)(out=args.out), resume=True, as_json=args.as_json):
        raise SettingError(
            f"--resume goes on with the settings in {args.out / RUN}; leave the other options out, "
            "or train a new run with --force"
        )


def _refuse_what_is_there(out: Path, force: bool) -> None:
    if (out / RUN).exists():
        if not force:
            raise RunError(f"{out} holds a run; go on with --resume, or replace it with --force")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists and is no run folder; choose another --out")


def _start(args: "Train", corpus: Corpus) -> Start | None:
    if args.start is None:
        return None
    start = read_start(args.start)
    if start.kind != corpus.kind:
        raise SettingError(f"--from {args.start} writes {start.kind}; this corpus is {corpus.kind}")
    print(
        f"starting from {start.name}: if it was trained on some of these records, "
        "the held-out figures are too good",
        file=sys.stderr,
    )
    return start


def _recipe(args: "Train") -> Recipe | None:
    if args.recipe is None:
        return None
    if args.recipe not in RECIPES:
        raise SettingError(f"no recipe {args.recipe!r}; expected one of {', '.join(RECIPES)}")
    return RECIPES[args.recipe]


def _source(args: "Train", recipe: Recipe | None) -> str:
    source = args.corpus or (recipe.dataset if recipe else None)
    if source is None:
        raise SettingError(
            "what to train on is missing; give a file, a dataset (see: data list) or --recipe"
        )
    return source


def _defaults(args: "Train", recipe: Recipe | None, corpus: Corpus, start: Start | None) -> "Train":
    """The recipe's settings, or those that suit the corpus, with a given budget left standing."""
    recipe = recipe or _own_recipe(args, corpus)
    model, training = recipe.model, recipe.training
    if start:
        training = fine_tuning(training)
        model = replace(start.model, dropout=model.dropout)
    given = args.training
    if given.max_seconds is not None or given.max_steps is not None:
        training = replace(
            training,
            max_seconds=given.max_seconds,
            max_steps=given.max_steps,
            max_epochs=given.max_epochs,
        )
    return replace(args, model=model, training=training)


def _own_recipe(args: "Train", corpus: Corpus) -> Recipe:
    """What suits the corpus, the budget and the engine, where no recipe was asked for."""
    if args.training.engine == "numpy":
        return BY_HAND
    return default_recipe(corpus, args.training.max_seconds)


def _report(out: Path, outcome: Outcome, *, as_json: bool) -> int:
    facts, progress = outcome.facts, outcome.progress
    if not progress.stopped:
        print(
            f"stopped at step {progress.step:,}, saved; go on with: "
            f"python -m charmodels train --out {out} --resume",
            file=sys.stderr,
        )
        return 130
    metrics: dict[str, Any] = {"nats_per_char": None, "bits_per_char": None}
    metrics |= {**(facts.metrics or {}), "split": facts.split["hash"]}
    if as_json:
        print(json.dumps({"run": str(out), **metrics}))
    else:
        for key, value in metrics.items():
            print(f"{key:<26} {value}")
    print(f"wrote {out}; next: python -m export {out} --out bundles/{out.name}", file=sys.stderr)
    return 0
