"""The command line: train, measure, compare and sample models, and list what there is to train on.

Results go to standard output, talk to standard error. Heavy imports happen inside each command, so
that `--help` answers at once.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg, subcommand

from charmodels.commands.exits import UsageError, run_command
from charmodels.config import ModelConfig, TrainConfig

Switch = FlagCreatePairsOff[bool]
"""Off unless said: --force, but no --no-force."""
Json = Annotated[Switch, arg(name="json", help="Print one JSON object on standard output.")]


@dataclass(frozen=True)
class Train:
    """Train a model on a list of names or a text.

    Settings not given follow the recipe, or the size of the corpus.
    """

    corpus: Positional[str | None] = None
    """A file, or a dataset's name (see: data list)."""
    out: Path = field(kw_only=True)
    """The run folder."""
    recipe: str | None = None
    """Named settings (see: recipes); brings its own dataset."""
    kind: Literal["names", "text"] | None = None
    """One name a line, or one long text; detected when not given."""
    lowercase: Switch = False
    """Make all letters small first."""
    start: Annotated[Path | None, arg(name="from")] = None
    """Go on from this run's or bundle's weights: good for short lists."""
    split_salt: str = ""
    """Another salt holds out other names."""
    no_test: Switch = False
    """Leave the test part unread."""
    resume: Switch = False
    """Go on where the run in --out was killed; needs nothing else."""
    force: Switch = False
    """Replace the run in --out."""
    as_json: Json = False
    model: OmitArgPrefixes[ModelConfig] = field(default_factory=ModelConfig)
    training: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class Evaluate:
    """Measure a run or bundle on the held-out part of its corpus: likelihood, novelty, copying."""

    source: Positional[Path]
    """A run folder or a bundle."""
    corpus: str | None = None
    """The corpus, when it is not where the run found it."""
    window: int | None = None
    """Also measure how often the first guess after this many characters is right; not measured
    when not given."""
    report: Path | None = None
    """Also write a report with plots and samples, into this .html or .md file."""
    as_json: Json = False


@dataclass(frozen=True)
class Sample:
    """Write names or text with a run or bundle."""

    source: Positional[Path]
    """A run folder or a bundle."""
    prefix: str = ""
    """How each text begins."""
    count: int | None = None
    """How many: 10 names or 1 text when not given."""
    temperature: float | None = None
    """0 takes the likeliest character, 1 is the model as it is; the model's own when not given."""
    top_k: int | None = None
    """Keep only the k likeliest characters; 0 keeps all."""
    top_p: float | None = None
    """Keep the likeliest characters until their probabilities sum to p."""
    min_p: float | None = None
    """Drop characters less likely than this share of the likeliest one."""
    balance: float | None = None
    """-1 hears the network alone, 0 both as fitted, 1 the n-gram alone; for models with both."""
    max_chars: int | None = None
    """New characters of each text at most."""
    pattern: str = ""
    """A regular expression that each name must match from beginning to end, such as "Co.*l"."""
    starts: str = ""
    """How each name must begin."""
    ends: str = ""
    """How each name must end."""
    contains: str = ""
    """What each name must hold."""
    length: str | None = None
    """Characters of each name, such as 4-8."""
    novel: Switch = False
    """Only names that the model has not learned."""
    variant: str = "fp32"
    """Which of a bundle's graphs writes: fp32, or fp16, int8, int4 where it has them."""
    seed: int | None = None
    """The same seed writes the same texts; random, and shown, when not given."""
    as_json: Json = False
    print0: Switch = False
    """End each text with NUL instead of a newline."""


@dataclass(frozen=True)
class Predict:
    """Say which characters may come after a text, the likeliest first."""

    source: Positional[Path]
    """A run folder or a bundle."""
    text: Positional[str] = ""
    """What has been read so far."""
    count: int = 5
    """How many characters to show."""
    as_json: Json = False


@dataclass(frozen=True)
class Compare:
    """Rank runs by validation; the test part is never read."""

    runs: Positional[tuple[Path, ...]]
    """Run folders."""
    plot: Path | None = None
    """Also draw validation against characters read, into this .svg or .png file."""
    as_json: Json = False


@dataclass(frozen=True)
class Reach:
    """Measure how far back the loss of runs on text feels their memory: vanishing gradients."""

    runs: Positional[tuple[Path, ...]]
    """Run folders."""
    distance: int = 60
    """Characters to go back from the loss."""
    plot: Path | None = None
    """Also draw the curves, into this .svg or .png file."""
    as_json: Json = False


@dataclass(frozen=True)
class Recipes:
    """List the recipes."""

    as_json: Json = False


@dataclass(frozen=True)
class DataList:
    """List the datasets."""

    as_json: Json = False


@dataclass(frozen=True)
class DataFetch:
    """Download a dataset from its public home."""

    name: Positional[str]
    """A dataset of: data list."""
    out: Path | None = None
    """The folder to put it in; the user's cache when not given."""


@dataclass(frozen=True)
class DataCard:
    """Write a dataset that ships as a folder for Hugging Face: the file and its card."""

    name: Positional[str]
    """A dataset of: data list."""
    out: Path = field(kw_only=True)
    """The folder to make."""


@dataclass(frozen=True)
class Data:
    """List the datasets, fetch one, or write one's card."""

    command: OmitArgPrefixes[
        Annotated[DataList, subcommand("list", prefix_name=False)]
        | Annotated[DataFetch, subcommand("fetch", prefix_name=False)]
        | Annotated[DataCard, subcommand("card", prefix_name=False)]
    ]


@dataclass(frozen=True)
class ImportKeras:
    """Turn a Keras model's weights into a run folder; Keras is not needed, and nothing is run.

    SimpleRNN, GRU or LSTM layers, characters embedded or one-hot, and a Dense layer are understood.
    """

    file: Positional[Path]
    """A .keras, an .h5, or an .npz of np.savez(file, *model.get_weights())."""
    vocabulary: Path = field(kw_only=True)
    """A JSON list of the characters in the order of their Keras ids."""
    out: Path = field(kw_only=True)
    """The run folder."""
    kind: Literal["names", "text"] = "names"
    """Names end with a symbol of their own; text goes on."""
    end: str | None = None
    """The symbol that ends a name, a newline when not given; it becomes id 0."""
    zero_start: Switch = False
    """Names began with a vector of zeros in training, not with the end symbol; text always does."""
    force: Switch = False
    """Replace the run in --out."""
    as_json: Json = False


Command = (
    Annotated[Train, subcommand("train", prefix_name=False)]
    | Annotated[Evaluate, subcommand("evaluate", prefix_name=False)]
    | Annotated[Sample, subcommand("sample", prefix_name=False)]
    | Annotated[Predict, subcommand("predict", prefix_name=False)]
    | Annotated[Compare, subcommand("compare", prefix_name=False)]
    | Annotated[Reach, subcommand("reach", prefix_name=False)]
    | Annotated[Recipes, subcommand("recipes", prefix_name=False)]
    | Annotated[Data, subcommand("data", prefix_name=False)]
    | Annotated[ImportKeras, subcommand("import-keras", prefix_name=False)]
)


Parsed = Train | Evaluate | Sample | Predict | Compare | Reach | Recipes | Data | ImportKeras


def parse(argv: Sequence[str]) -> Parsed:
    """Read the command line; a mistake prints what is right and exits with 2."""
    command: Parsed = tyro.cli(
        Command,
        prog="python -m charmodels",
        description="Train, measure and sample character models.",
        args=list(argv),
    )
    return command


def parse_train(argv: Sequence[str], defaults: Train) -> Train:
    """Read `train`'s arguments again: what was not given now follows `defaults`.

    Switches are off again, for `argv` to turn on: a switch that is on by default has another name.
    """
    off = replace(
        defaults, lowercase=False, no_test=False, resume=False, force=False, as_json=False
    )
    return tyro.cli(Train, prog="python -m charmodels train", args=list(argv), default=off)


def run(args: Parsed, argv: Sequence[str]) -> int:
    """Do what was asked; each command's imports are its own."""
    match args:
        case Train():
            if not (args.corpus or args.recipe or args.resume):
                raise UsageError(
                    "what to train on is missing; give a file, a dataset (see: data list), "
                    "--recipe, or --resume"
                )
            from charmodels.commands.train import train_command

            return train_command(args, lambda defaults: parse_train(argv[1:], defaults))
        case Evaluate():
            from charmodels.commands.evaluate import evaluate_command

            return evaluate_command(
                args.source, args.corpus, args.window, args.report, as_json=args.as_json
            )
        case Sample():
            from charmodels.commands.sample import sample_command

            return sample_command(args)
        case Predict():
            from charmodels.commands.predict import predict_command

            return predict_command(args.source, args.text, args.count, as_json=args.as_json)
        case Compare():
            from charmodels.commands.compare import compare_command

            return compare_command(args.runs, args.plot, as_json=args.as_json)
        case Reach():
            from charmodels.commands.reach import reach_command

            return reach_command(args.runs, args.distance, args.plot, as_json=args.as_json)
        case Recipes():
            from charmodels.commands.recipes import recipes_command

            return recipes_command(as_json=args.as_json)
        case Data():
            from charmodels.corpus.data_command import card_command, fetch_command, list_command

            if isinstance(args.command, DataList):
                return list_command(args.command.as_json)
            if isinstance(args.command, DataCard):
                return card_command(args.command.name, args.command.out)
            return fetch_command(args.command.name, args.command.out)
        case ImportKeras():
            from charmodels.commands.import_keras import import_keras_command

            return import_keras_command(args)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run: 0 done, 1 an error in one line, 2 bad usage."""
    words = sys.argv[1:] if argv is None else argv
    return run_command(lambda: run(parse(words), words), _extra_of)


def _extra_of(module: str) -> str:
    evaluate = dict.fromkeys(("rapidfuzz", "pydivsufsort", "matplotlib", "jinja2"), "evaluate")
    return (evaluate | {"h5py": "keras"}).get(module.partition(".")[0], "train")


if __name__ == "__main__":
    sys.exit(main())
