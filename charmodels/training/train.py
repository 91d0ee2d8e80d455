"""From a corpus to a finished run folder: start one, or resume one that was killed."""

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from charmodels import __version__
from charmodels.config import ModelConfig, TrainConfig
from charmodels.corpus.reading import Corpus
from charmodels.corpus.registry import DATASETS, open_corpus
from charmodels.corpus.splitting import Split, split_corpus
from charmodels.evaluation.likelihood import name_nats, text_nats, text_nats_side_by_side
from charmodels.evaluation.report import EVALUATION
from charmodels.models import CharModel, build_model
from charmodels.runtime.errors import RunError, SettingError
from charmodels.runtime.vocabulary import Ids, Vocabulary
from charmodels.training.batches import Batches, NameBatches, NameStream, TextStreams
from charmodels.training.checkpoint import (
    LOG,
    MODEL,
    RUN,
    STATE,
    RunFacts,
    read_run,
    write_run,
)
from charmodels.training.display import RunDisplay, TrainingDisplay
from charmodels.training.loop import Progress, Trainer
from charmodels.training.mixing import (
    NGRAM,
    Mixed,
    mix,
    mixed_nats,
    seconds_to_mix,
    write_expert,
)
from charmodels.training.plan import (
    Began,
    budget_clock,
    choose_device,
    make_plan,
    make_updater,
    wall_clock,
    wanted_device,
)
from charmodels.training.scratch_update import check_engine
from charmodels.training.speaker import speaking_model
from charmodels.training.start import Start, put_start, read_start


@dataclass(frozen=True)
class Outcome:
    """A run after training: what run.json says, and whether it is finished."""

    facts: RunFacts
    progress: Progress


def new_facts(
    corpus: Corpus,
    split: Split,
    model: ModelConfig,
    training: TrainConfig,
    recipe: str | None = None,
    start: Start | None = None,
    *,
    read_test: bool = True,
) -> RunFacts:
    """What is known of a run before it begins."""
    vocabulary = (
        start.vocabulary.extended(corpus.records) if start else Vocabulary.of(corpus.records)
    )
    check_engine(model, training)
    if training.cache and corpus.kind == "names":
        raise SettingError(
            f"cache is {training.cache}, but names are read each alone; use --cache 0"
        )
    return RunFacts(
        kind=corpus.kind,
        vocabulary=vocabulary,
        model=model,
        training=training,
        corpus=_about(corpus),
        split={
            "hash": split.hash,
            "salt": split.salt,
            "unit": "names" if corpus.kind == "names" else "characters",
            "train": _size(corpus, split.train),
            "validation": _size(corpus, split.validation),
            "test": _size(corpus, split.test),
        },
        versions={
            "charmodels": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        recipe=recipe,
        started_from=str(start.folder.resolve()) if start else None,
        read_test=read_test,
    )


def _size(corpus: Corpus, part: tuple[str, ...]) -> int:
    return len(part) if corpus.kind == "names" else sum(len(record) for record in part)


def _absolute(source: str) -> str:
    """A file's whole path, so that a run can be resumed from another folder; a dataset's name."""
    return str(Path(source).resolve()) if Path(source).is_file() else source


def _about(corpus: Corpus) -> dict[str, Any]:
    known = DATASETS.get(corpus.name)
    about: dict[str, Any] = {
        "name": corpus.name,
        "source": _absolute(corpus.source),
        "sha256": corpus.sha256,
        "records": len(corpus.records),
        "longest": max(len(record) for record in corpus.records),
        "lowercase": corpus.lowercase,
    }
    if known and known.sha256 == corpus.sha256:
        about |= {
            "title": known.title,
            "language": known.language,
            "licence": known.licence,
            "credit": known.credit,
        }
    return about


def reopen_corpus(facts: RunFacts, source: str | None = None) -> tuple[Corpus, Split]:
    """The corpus and split of a run, from where it was or from `source`.

    Raises:
        RunError: the file is not the one the run read.
    """
    if not (source or facts.corpus["source"]):
        raise RunError(f"{facts.corpus['name']} was imported and has no corpus of its own")
    lowercase = facts.corpus.get("lowercase") is True
    corpus = open_corpus(source or _findable(facts), facts.kind, lowercase=lowercase)
    if corpus.sha256 != facts.corpus["sha256"]:
        raise RunError(
            f"{corpus.source}: changed since the run read it (sha256 differs); "
            "put the old file back or train a new run"
        )
    return corpus, split_corpus(corpus, facts.split["salt"])


def _findable(facts: RunFacts) -> str:
    source, name = str(facts.corpus["source"]), str(facts.corpus["name"])
    return source if Path(source).is_file() or name not in DATASETS else name


def train_run(
    folder: Path,
    facts: RunFacts,
    corpus: Corpus,
    split: Split,
    start: Start | None = None,
    began: Began | None = None,
    display: Callable[[Callable[[], list[str]]], RunDisplay] = TrainingDisplay,
) -> Outcome:
    """Train in `folder` until the budget ends, it overfits, or Ctrl-C; resume what stands there.

    The test part is read once, after the last weight is chosen. `display` makes, out of a writer
    of fresh samples, the one who is told how it goes.
    """
    device = choose_device(facts.plan.device if facts.plan else wanted_device(facts.training))
    began = began or Began()
    clock, wall = budget_clock(device, began), wall_clock(began)
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, also on a GPU
    torch.set_num_threads(facts.plan.threads if facts.plan else facts.training.threads)
    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder, facts)
    encode = facts.vocabulary.encode
    train = [encode(record) for record in split.train]
    validation = [encode(record) for record in split.validation]
    model = _first_weights(facts, start).to(device)
    batches = _batches(facts, split, train, device)
    validate = _validator(facts, validation)
    if facts.plan is None:
        plan = make_plan(
            model,
            batches,
            facts.training,
            device,
            clock,
            lambda: validate and validate(model),
            reserve=seconds_to_mix(facts.training, batches.chars_per_epoch),
        )
        facts = replace(facts, plan=plan)
        write_run(folder, facts)
    assert facts.plan is not None
    updater = make_updater(model, facts.training, facts.plan.precision)
    shown = display(_sampler(facts, model))
    everything = _everything(facts, split, train, validation, device)
    trainer = Trainer(
        folder, updater, batches, everything, facts.plan, validate, clock, wall, shown
    )
    trainer.resume()
    with shown:
        shown.say(_opening(facts, model))
        progress = trainer.run()
        if progress.stopped:
            mixed = _mix(folder, facts, model, train, validation, shown.say)
            trainer.finish()
            progress = replace(progress, seconds=clock.seconds(), wall_seconds=wall.seconds())
            metrics = _metrics(model, progress) | (mixed.metrics if mixed else {})
            if facts.read_test and split.test:
                test = [encode(record) for record in split.test]
                metrics |= _test_metrics(facts, model, mixed, test)
            facts = replace(facts, metrics=metrics)
            write_run(folder, facts)
    return Outcome(facts, progress)


def _mix(
    folder: Path,
    facts: RunFacts,
    model: CharModel,
    train: list[Ids],
    validation: list[Ids],
    say: Callable[[str], None],
) -> Mixed | None:
    """The n-gram beside the network, kept in the folder; None where none is wanted."""
    if facts.training.ngram == "none":
        return None
    say("counting the n-gram and weighing it with the network ...")
    mixed = mix(model, facts.training, train, validation, endless=facts.kind == "text")
    write_expert(folder, mixed.expert)
    say(_weighed(mixed))
    return mixed


def resume_run(folder: Path) -> Outcome:
    """Go on where a killed or interrupted run stood.

    Raises:
        RunError: the folder is no run, it is finished, or what it read is gone or changed.
    """
    began = Began()
    facts = read_run(folder)
    if facts.metrics:
        raise RunError(f"{folder}: already finished; export it with: python -m export {folder}")
    check_engine(facts.model, facts.training)
    corpus, split = reopen_corpus(facts)
    start = None
    if facts.started_from and not (folder / STATE).is_file():
        start = read_start(Path(facts.started_from))
    return train_run(folder, facts, corpus, split, start, began)


def remove_run(folder: Path) -> None:
    """Remove a run's own files and nothing else, for --force."""
    for name in (RUN, LOG, STATE, MODEL, NGRAM, EVALUATION):
        (folder / name).unlink(missing_ok=True)


def _first_weights(facts: RunFacts, start: Start | None) -> CharModel:
    torch.manual_seed(facts.training.seed)
    model = build_model(len(facts.vocabulary), facts.model)
    if start:
        put_start(model, start)
    return model


def _batches(facts: RunFacts, split: Split, train: list[Ids], device: torch.device) -> Batches:
    config = facts.training
    if facts.kind == "text":
        return TextStreams(
            train[0], config.batch_size, config.window, config.reset, config.seed, device
        )
    if config.engine == "numpy":
        return NameStream(train, config.window, config.seed)
    chances = None
    if config.weight_power > 0:
        weights = split.train_weights**config.weight_power
        chances = weights / weights.sum()
    return NameBatches(train, chances, config.batch_size, config.seed, device)


def _everything(
    facts: RunFacts, split: Split, train: list[Ids], validation: list[Ids], device: torch.device
) -> Batches | None:
    """The batches of training and validation part together; None where they are never read."""
    if not (facts.plan and facts.plan.choose_at and validation):
        return None
    whole = [*train, *validation]
    if facts.kind == "text":
        whole = [np.concatenate(whole)]
    return _batches(facts, split, whole, device)


def _validator(facts: RunFacts, validation: list[Ids]) -> Callable[[CharModel], float] | None:
    """Nats per character of the validation part; None when nothing is held out."""
    if not validation:
        return None
    if facts.kind == "text":
        return lambda model: float(text_nats_side_by_side(model, validation[0]).mean())
    return lambda model: _nats_per_char(model, validation)


def _nats_per_char(model: CharModel, names: list[Ids]) -> float:
    """Of whole names, end marks included."""
    return float(name_nats(model, names).sum() / sum(len(name) + 1 for name in names))


def _metrics(model: CharModel, progress: Progress) -> dict[str, Any]:
    held_out = math.isfinite(progress.best_nats)
    return {
        "parameters": model.parameter_count(),
        "validation_nats_per_char": round(progress.best_nats, 5) if held_out else None,
        "seconds": round(progress.seconds, 1),
        "wall_seconds": round(progress.wall_seconds, 1),
        "chars_seen": progress.chars_seen,
        "steps": progress.step,
        "best_step": progress.best_step,
        "read_all": progress.reads_all,
        "stopped": progress.stopped,
    }


def _test_metrics(
    facts: RunFacts, model: CharModel, mixed: Mixed | None, test: list[Ids]
) -> dict[str, Any]:
    endless, others = facts.kind == "text", {}
    if mixed:
        paid = mixed_nats(model, mixed, test, endless=endless)
        nats = float(paid.together.mean())
        others["network_nats_per_char"] = round(float(paid.network.mean()), 5)
        if mixed.cache:
            others["uncached_nats_per_char"] = round(float(paid.uncached.mean()), 5)
    elif endless:
        nats = float(text_nats(model, test[0]).mean())
    else:
        nats = _nats_per_char(model, test)
    bits = nats / math.log(2)
    return {"nats_per_char": round(nats, 5), "bits_per_char": round(bits, 5), **others}


def _sampler(facts: RunFacts, model: CharModel) -> Callable[[], list[str]]:
    """A few names of the model as it is, or a line of text."""

    def write() -> list[str]:
        speaker = speaking_model(facts, model)
        return speaker.generate(1, max_chars=120) if speaker.endless else speaker.generate(8)

    return write


def _weighed(mixed: Mixed) -> str:
    """What was chosen, and by which figures."""
    m = mixed.metrics
    size = f"an n-gram of order {m['expert_order']}, {m['expert_bytes'] / 1e6:.2f} MB"
    if m["expert_pruned_nats"]:
        size += f" (pruned: followers that save {m['expert_pruned_nats']:.2g} nats stay)"
    size += f", of {m['expert_chars']:,} characters"
    if "mixed_validation_nats_per_char" not in m:
        return f"{size}; nothing is held out, so it is heard as much as the network"
    together = m["mixed_validation_nats_per_char"]
    told = f"{size}; on validation it costs {m['ngram_validation_nats_per_char']:.3f} nats alone, "
    if not mixed.cache:
        return f"{told}weighed with the network {together:.3f}"
    return (
        f"{told}weighed with the network {m['mixed_uncached_validation_nats_per_char']:.3f}, and "
        f"with what the text itself said in its last {mixed.cache.window:,} characters "
        f"{together:.3f}"
    )


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _opening(facts: RunFacts, model: CharModel) -> str:
    assert facts.plan is not None
    split, plan = facts.split, facts.plan
    return (
        f"{facts.corpus['name']}: {split['train']:,} {split['unit']} to train, "
        f"{split['validation']:,} to validate, {split['test']:,} to test\n"
        f"{facts.model.arch} with {model.parameter_count():,} parameters, {plan.steps:,} steps in "
        f"{plan.precision} on {plan.device}, {_threads(plan.threads)}, seed {facts.training.seed}"
    )
