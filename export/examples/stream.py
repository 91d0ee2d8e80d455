"""Write with a bundle by onnxruntime and numpy alone: python -u stream.py BUNDLE [BEGINNING]."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort


class Bundle:
    """A step graph and what bundle.json says of it. Nothing is checked: open what you trust."""

    def __init__(self, folder):
        self.facts = facts = json.loads(Path(folder, "bundle.json").read_text(encoding="utf-8"))
        self.session = ort.InferenceSession(Path(folder, "step.onnx"))
        self.zero = {s["name"]: np.zeros((1, *s["shape"]), s["dtype"]) for s in facts["states"]}

    def step(self, token, state):
        """Read an id; logits (vocab,) of the next one, and the memory for the next step."""
        logits, *after = self.session.run(None, {"token": np.array([token]), **state})
        return logits[0], dict(zip(state, after, strict=True))

    def stream(self, beginning, temperature, max_chars):
        """Yield the characters that follow `beginning`; temperature 0 takes the likeliest."""
        symbols, state, draw = self.facts["vocabulary"], self.zero, np.random.default_rng()
        for token in [0, *map(symbols.index, beginning)]:  # 0 starts a text, and ends a name
            logits, state = self.step(token, state)
        for written in range(max_chars):
            low = int(self.facts["kind"] == "text" or not (beginning or written))  # 1: no end
            token = low + int((logits + temperature * draw.gumbel(size=len(logits)))[low:].argmax())
            if token == 0:
                return
            yield symbols[token]
            logits, state = self.step(token, state)


if __name__ == "__main__":
    sys.stdout.writelines(Bundle(sys.argv[1]).stream("".join(sys.argv[2:]), 0.8, 200))
