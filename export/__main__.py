"""`python -m export RUN --out BUNDLE`; `--for`, `--check` and `--inspect` of a bundle."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from charmodels.commands.exits import UsageError, run_command
from charmodels.runtime.bundle import FP32, read_bundle


@dataclass(frozen=True)
class Export:
    """Turn a run into an ONNX bundle, proven equal to torch; or check, describe or hand on one."""

    run: tyro.conf.Positional[Path | None] = None
    """The run folder to export; with --for, the bundle to write."""
    out: Path | None = None
    """Where the result goes; it must not exist."""
    force: bool = False
    """Replace what is there."""
    no_weights: bool = False
    """Leave out the trainable weights (float16, half as large as the graph): nobody can go on from
    the bundle with train --from."""
    no_ngram: bool = False
    """Leave out the run's n-gram, which knows parts of the list by heart: where the list is
    private."""
    no_network: bool = False
    """Leave out the network: the run's n-gram alone, which only counts."""
    no_membership: bool = False
    """Leave out the filter of a list's names: with it anyone can test whether a name they think of
    stands in the list. For private lists."""
    graphs: str | None = None
    """Which graphs, with commas: step, prefill, sample, generate. Left out, step, and prefill where
    it takes at most a megabyte, for it holds the weights a second time."""
    neighbour: Annotated[Literal["triton", "icefall", "hub"] | None, tyro.conf.arg(name="for")] = (
        None
    )
    """Write a bundle for other software: a model's folder for Triton, a language model for icefall
    and sherpa-onnx, or a folder with a model card for Hugging Face."""
    push: str | None = None
    """USER/NAME: put the bundle and its card on Hugging Face, in a model repository that is made
    where there is none. Lists every file and what becomes of it first."""
    licence: str | None = None
    """With --push or --for hub: the licence you give the model, as Hugging Face names it (mit,
    cc-by-4.0); the data's own is told beside it. Left out, the card says that none was chosen."""
    dry_run: bool = False
    """With --push: list, and change nothing."""
    private: bool = False
    """With --push: make a new repository that only its owner sees."""
    variants: str = "fp32"
    """Smaller steps beside the one in fp32, with commas: fp16 (half the file), int8, int4
    (onnxruntime only). Each is judged on held-out text; one that strays too far is left out, and
    the others are written."""
    check: Path | None = None
    """Verify this bundle: hashes, structure, golden logits; of sample.onnx and generate.onnx, which
    are never opened, the hashes alone. Works without torch."""
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
    """Do one of the five; prints results on stdout, talk on stderr."""
    if args.licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", args.licence):
        raise UsageError(
            f"--licence is {args.licence!r:.60}; expected a name like mit or cc-by-4.0"
        )
    if sum(x is not None for x in (args.run, args.check, args.inspect)) != 1:
        raise UsageError(
            "expected one of: RUN --out BUNDLE, --check BUNDLE, --inspect BUNDLE, "
            "BUNDLE --for NEIGHBOUR --out FOLDER, BUNDLE --push USER/NAME"
        )
    if args.check is not None:
        _refuse_others(args, "check", "as_json")
        return _check(args.check, args.as_json)
    if args.inspect is not None:
        _refuse_others(args, "inspect", "as_json")
        return _inspect(args.inspect, args.as_json)
    assert args.run is not None
    if args.push is not None:
        _refuse_others(args, "push", "run", "licence", "dry_run", "private", "as_json")
        return _push(args.run, args.push, args)
    for flag in ("dry_run", "private"):
        if getattr(args, flag):
            raise UsageError(f"--{flag.replace('_', '-')} goes with --push USER/NAME")
    if args.out is None:
        raise UsageError(f"--out is missing; for example --out bundles/{args.run.name}")
    if args.neighbour is not None:
        heard = ("licence",) if args.neighbour == "hub" else ()
        _refuse_others(args, "neighbour", "run", "out", "force", "as_json", *heard)
        return _write_for(args.neighbour, args.run, args.out, args)
    if args.licence is not None:
        raise UsageError("--licence goes with --push USER/NAME or --for hub")
    return _export(args.run, args.out, args)


_FLAGS = {"neighbour": "--for", "as_json": "--json", "run": "RUN"}


def _refuse_others(args: Export, task: str, *heard: str) -> None:
    """A word that the task would not hear is a mistake."""
    for each in fields(args):
        if each.name not in (task, *heard) and getattr(args, each.name) != each.default:
            flag, given = (
                _FLAGS.get(name, "--" + name.replace("_", "-")) for name in (task, each.name)
            )
            raise UsageError(f"{flag} does nothing with {given}; leave it out")


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

    write_for(neighbour, bundle, out, force=args.force, licence=args.licence)
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    if args.as_json:
        print(json.dumps({"out": str(out), "for": neighbour, "files": files}))
    upload = f"; next: hf upload USER/{out.name} {out}" if neighbour == "hub" else ""
    print(f"wrote {out}: {', '.join(files)}{upload}", file=sys.stderr)
    return 0


def _push(bundle: Path, name: str, args: Export) -> int:
    """Write the folder with its card aside, say what differs, and send it."""
    from tempfile import TemporaryDirectory

    from charmodels.publish import Repository, publish
    from export.neighbours import write_for

    repository = Repository(name)
    with TemporaryDirectory(prefix="charmodels-") as aside:
        user, _, called = name.partition("/")
        folder = Path(aside) / called
        write_for("hub", bundle, folder, user=user, licence=args.licence)
        say = partial(print, file=sys.stderr if args.as_json else sys.stdout)
        planned, address = publish(
            folder, repository, private=args.private, dry_run=args.dry_run, say=say
        )
    if args.as_json:
        files = {change.path: change.what for change in planned}
        print(json.dumps({"repository": name, "files": files, "address": address}))
    done = "nothing was sent (--dry-run)" if address is None else f"it is at {address}"
    print(f"{done}; people load it with: load_bundle('hf://{name}')", file=sys.stderr)
    return 0


def _listed(flag: str, given: str, known: Sequence[str]) -> list[str]:
    """The names of a list with commas, each once, all of them known."""
    names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise UsageError(
                f"{flag} has {name!r:.40}; expected some of {', '.join(known)}, with commas"
            )
    return names


def _export(run_folder: Path, out: Path, args: Export) -> int:
    from export.variants import VARIANTS

    variants = _listed("--variants", args.variants, (FP32, *VARIANTS))
    from export.writer import GRAPHS, export_run

    if args.no_network and args.no_ngram:
        raise UsageError("--no-network and --no-ngram leave nothing to export")
    graphs = _listed("--graphs", args.graphs, GRAPHS) if args.graphs is not None else None
    if graphs is not None and "step" not in graphs:
        raise UsageError(f"--graphs {args.graphs} has no step, which every bundle has")
    export_run(
        run_folder,
        out,
        force=args.force,
        weights=not args.no_weights,
        ngram=not args.no_ngram,
        network=not args.no_network,
        membership=not args.no_membership,
        graphs=graphs,
        variants=[name for name in variants if name != FP32],
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
