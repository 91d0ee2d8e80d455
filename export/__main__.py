"""`python -m export RUN --out BUNDLE`; `--for`, `--check` and `--inspect` of a bundle."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from charmodels.commands.exits import UsageError, run_command


@dataclass(frozen=True)
class Export:
    """Turn a run into an ONNX bundle, proven equal to torch; or check, or describe a bundle."""

    run: tyro.conf.Positional[Path | None] = None
    """The run folder to export."""
    out: Path | None = None
    """Where the bundle goes; it must not exist."""
    force: bool = False
    """Replace the bundle that is there."""
    weights: bool = True
    """Add the trainable weights in float16 (half as large as the graph), for train --from."""
    ngram: bool = True
    """Ship the run's n-gram with the network. It knows parts of the list by heart: leave it out
    where the list is private."""
    graphs: str | None = None
    """Which graphs, with commas: step, prefill, sample, generate. Left out, step, and prefill where
    it takes at most a megabyte, for it holds the weights a second time."""
    neighbour: Annotated[Literal["triton", "icefall", "hub"] | None, tyro.conf.arg(name="for")] = (
        None
    )
    """Write a bundle, given instead of the run, for other software: a model's folder for Triton, a
    language model for icefall and sherpa-onnx, or a folder with a model card for Hugging Face."""
    check: Path | None = None
    """Verify this bundle: hashes, structure, golden logits. Works without torch."""
    inspect: Path | None = None
    """Describe this bundle: graphs, inputs, outputs, sizes, figures, where it comes from. Works
    without torch."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print one JSON object on standard output."""


def parse(argv: Sequence[str] | None) -> Export:
    """Read the command line; a mistake prints what is right and exits with 2."""
    return tyro.cli(
        Export, prog="python -m export", args=argv, config=(tyro.conf.FlagCreatePairsOff,)
    )


def run(args: Export) -> int:
    """Do one of the three; prints results on stdout, talk on stderr."""
    if sum(x is not None for x in (args.run, args.check, args.inspect)) != 1:
        raise UsageError("expected one of: RUN --out BUNDLE, --check BUNDLE, --inspect BUNDLE")
    if args.check is not None:
        return _check(args.check, args.as_json)
    if args.inspect is not None:
        return _inspect(args.inspect, args.as_json)
    assert args.run is not None
    if args.out is None:
        raise UsageError(f"--out is missing; for example --out bundles/{args.run.name}")
    if args.neighbour is not None:
        return _write_for(args.neighbour, args.run, args.out, args)
    return _export(args.run, args.out, args)


def _check(folder: Path, as_json: bool) -> int:
    from charmodels.runtime.golden import GOLDEN_TOLERANCE
    from export.check import check_bundle

    measured = check_bundle(folder)
    if as_json:
        print(json.dumps({"bundle": str(folder), "sound": True, **measured}))
        return 0
    for what, worst in measured.items():
        print(f"{what.replace('_', ' '):<20} worst {worst:.1e}  (tolerance {GOLDEN_TOLERANCE:.0e})")
    print(f"{folder} is sound")
    return 0


def _inspect(bundle: Path, as_json: bool) -> int:
    from export.sheet import describe_bundle, sheet

    facts = describe_bundle(bundle)
    print(json.dumps(facts, ensure_ascii=False) if as_json else "\n".join(sheet(facts)))
    return 0


def _write_for(
    neighbour: Literal["triton", "icefall", "hub"], bundle: Path, out: Path, args: Export
) -> int:
    from export.neighbours import write_for

    write_for(neighbour, bundle, out, force=args.force)
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    if args.as_json:
        print(json.dumps({"out": str(out), "for": neighbour, "files": files}))
    print(f"wrote {out}: {', '.join(files)}", file=sys.stderr)
    return 0


def _export(run_folder: Path, out: Path, args: Export) -> int:
    from export.writer import GRAPHS, export_run

    graphs = args.graphs.split(",") if args.graphs is not None else None
    if graphs is not None and ("step" not in graphs or set(graphs) - set(GRAPHS)):
        raise UsageError(
            f"--graphs {args.graphs}; expected step and any of {', '.join(GRAPHS[1:])}"
        )
    export_run(
        run_folder,
        out,
        force=args.force,
        weights=args.weights,
        ngram=args.ngram,
        graphs=graphs,
        report=lambda line: print(line, file=sys.stderr if args.as_json else sys.stdout),
    )
    size = sum(file.stat().st_size for file in out.iterdir())
    if args.as_json:
        print(json.dumps({"bundle": str(out), "bytes": size}))
    print(f"wrote {out} ({size:,} bytes); next: python -m demo {out}", file=sys.stderr)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run: 0 done, 1 an error in one line, 2 bad usage."""
    return run_command(lambda: run(parse(argv)), lambda module: "export")


if __name__ == "__main__":
    sys.exit(main())
