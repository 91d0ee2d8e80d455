"""`python -m charmodels import-keras`: what was trained in Keras becomes a run folder."""

import json
import sys
from typing import TYPE_CHECKING

from charmodels.keras_import.convert import convert
from charmodels.keras_import.files import KerasFile, read_keras
from charmodels.keras_import.run import (
    build_converted,
    imported_facts,
    refuse_what_is_there,
    write_imported,
)
from charmodels.keras_import.vocabulary import read_symbols
from charmodels.runtime.errors import SettingError

if TYPE_CHECKING:
    from charmodels.__main__ import ImportKeras

NEWLINE = "\n"


def import_keras_command(args: "ImportKeras") -> int:
    """Read, convert, write; nothing is left behind unless all of it went well."""
    if args.kind == "text" and args.end is not None:
        raise SettingError(f"end is {args.end!r:.60}, but text has no end; leave --end out")
    refuse_what_is_there(args.out, args.force)
    symbols = read_symbols(args.vocabulary)
    found = read_keras(args.file, len(symbols))
    end = NEWLINE if args.end is None else args.end
    converted = convert(found.weights, symbols, args.kind, end, zero_start=args.zero_start)
    model = build_converted(converted)
    for note in (f"read {args.file}: {_described(found)}", *found.weights.notes):
        print(note, file=sys.stderr)
    about = {
        "form": found.form,
        "keras": found.keras_version,
        "end": end if args.kind == "names" else None,
        "zero_start": args.zero_start or args.kind == "text",
    }
    facts = imported_facts(converted, model.parameter_count(), args.file, about)
    write_imported(args.out, facts, model)
    result = {
        "run": str(args.out),
        "arch": converted.model.arch,
        "parameters": model.parameter_count(),
        "vocabulary": len(converted.vocabulary),
    }
    if args.as_json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:<26} {value}")
    print(
        f"wrote {args.out}; next: python -m charmodels sample {args.out}, or "
        f"python -m export {args.out} --out bundles/{args.out.name}",
        file=sys.stderr,
    )
    return 0


def _described(found: KerasFile) -> str:
    """Such as: a whole model of Keras 3.15.1, Embedding 8, 2 x lstm 16, Dense 27."""
    weights = found.weights
    maker = f" of Keras {found.keras_version}" if found.keras_version else ""
    reads = "one-hot" if weights.embedding is None else f"Embedding {weights.embedding.shape[1]}"
    layers = f"{len(weights.recurrences)} x {weights.recurrences[0].arch}"
    hidden, vocab = weights.head.shape
    return f"{found.form}{maker}, {reads}, {layers} {hidden}, Dense {vocab}"
