"""`python -m charmodels sample`: a run or a bundle writes."""

import json
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from charmodels.runtime.bundle import FP32
from charmodels.runtime.constraints import parse_length
from charmodels.runtime.errors import SettingError
from charmodels.runtime.membership import Membership
from charmodels.runtime.model import Model, NameSettings, load_bundle
from charmodels.runtime.vocabulary import normalise

if TYPE_CHECKING:
    from charmodels.__main__ import Sample


def open_model(source: Path, variant: str = FP32) -> Model:
    """The model of a bundle (no torch needed) or of a run folder.

    Raises:
        BundleError: a bundle that is broken, or has no such variant; also a folder that is neither.
        RunError: a run without weights.
        SettingError: a variant of a run: only bundles have them.
    """
    if (source / "run.json").is_file():
        if variant != FP32:
            raise SettingError(
                f"{source} is a run, and only bundles have variants; make one with: "
                f"python -m export {source} --out BUNDLE --variants fp32,{variant}"
            )
        from charmodels.training.checkpoint import read_run
        from charmodels.training.speaker import read_speaker

        return read_speaker(source, read_run(source))
    return load_bundle(source, variant=variant)


def sample_command(args: "Sample") -> int:
    """Print one name a line; one text, or several ended by NUL."""
    model = open_model(args.source, args.variant)
    count = args.count if args.count is not None else (1 if model.endless else 10)
    if model.endless and count > 1 and not (args.print0 or args.as_json):
        raise SettingError(f"count is {count}: several texts need --print0 or --json between them")
    seed = args.seed if args.seed is not None else secrets.randbelow(2**31)
    settings = NameSettings(
        starts=args.starts,
        ends=args.ends,
        contains=args.contains,
        pattern=args.pattern,
        novel=args.novel,
        length=parse_length(args.length) if args.length else None,
    )
    for name in ("temperature", "top_k", "top_p", "min_p", "balance"):
        if (value := getattr(args, name)) is not None:
            settings[name] = value
    if args.novel:
        model = _asked(model, args.source)
    texts = model.generate_each(
        count, prefix=args.prefix, max_chars=args.max_chars, seed=seed, **settings
    )
    if args.as_json:
        print(json.dumps({"seed": seed, "texts": list(texts)}, ensure_ascii=False))
        return 0
    if args.seed is None:
        print(f"seed {seed}", file=sys.stderr)
    if model.endless and count == 1 and not args.print0:
        _stream(model, args, seed, settings)
        return 0
    for text in texts:
        print(text, end="\0" if args.print0 else "\n", flush=True)
    return 0


def _asked(model: Model, source: Path) -> Model:
    """The model of a run with the filter that its bundle would have."""
    if model.endless or not (source / "run.json").is_file():
        return model
    from charmodels.evaluation.measure import records_read
    from charmodels.training.checkpoint import read_run
    from charmodels.training.train import reopen_corpus

    read = records_read(model, reopen_corpus(read_run(source))[1])
    known = Membership.of(read, model.vocabulary)
    return Model(model.step, replace(model.bundle, membership=known))


def _stream(model: Model, args: "Sample", seed: int, settings: NameSettings) -> None:
    """One text appears as it is written."""
    print(normalise(args.prefix), end="", flush=True)
    for character in model.stream(args.prefix, max_chars=args.max_chars, seed=seed, **settings):
        print(character, end="", flush=True)
    print()
