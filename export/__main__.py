"""`python -m export RUN --out BUNDLE`; `--for`, `--check` and `--inspect` of a bundle."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from charmodels.commands.exits import UsageError, run_command
from charmodels.runtime.bundle import FP32, read_bundle


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
    variants: str = "fp32"
    """Smaller graphs beside the one in fp32, by commas: fp16 (half the file), int8, int4
    (onnxruntime only). Each is judged on held-out text; one that strays too far is left out, and
    the others are written."""
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
    from export.check import check_bundle

    measured = check_bundle(folder)
    if as_json:
        figures = {each.name: each.worst for each in measured}
        print(json.dumps({"bundle": str(folder), "sound": True, **figures}))
        return 0
    for each in measured:
        what = each.name.replace("_", " ")
        print(f"{what:<25} worst {each.worst:.1e}  (tolerance {each.tolerance:.0e})")
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


def _wanted(variants: str) -> list[str]:
    """The variants asked for beside fp32, which is always there."""
    from export.variants import VARIANTS

    wanted = list(dict.fromkeys(name.strip() for name in variants.split(",") if name.strip()))
    for name in wanted:
        if name not in (FP32, *VARIANTS):
            known = ", ".join((FP32, *VARIANTS))
            raise UsageError(f"no variant {name!r:.40}; expected some of {known}, by commas")
    return [name for name in wanted if name != FP32]


def _export(run_folder: Path, out: Path, args: Export) -> int:
    variants = _wanted(args.variants)
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
        variants=variants,
        report=lambda line: print(line, file=sys.stderr if args.as_json else sys.stdout),
    )
    size = sum(file.stat().st_size for file in out.iterdir())
    if args.as_json:
        judged = read_bundle(out).variants
        figures = {name: {**asdict(j), "accepted": j.accepted} for name, j in judged.items()}
        print(json.dumps({"bundle": str(out), "bytes": size, "variants": figures}))
    print(f"wrote {out} ({size:,} bytes); next: python -m demo {out}", file=sys.stderr)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run: 0 done, 1 an error in one line, 2 bad usage."""
    return run_command(lambda: run(parse(argv)), lambda module: "export")


if __name__ == "__main__":
    sys.exit(main())
