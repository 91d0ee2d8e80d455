"""How many nats a torch model pays for text it has not seen.

Names: every character and the end mark, each name from the zero state. Text: one sweep from the
zero state with the state carried to the end.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charmodels.models.base import IGNORE, CharModel, TorchState
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids

Floats = npt.NDArray[np.float64]
_CHUNK = 1024


def name_nats(model: CharModel, records: Sequence[Ids], batch_size: int = 256) -> Floats:
    """Nats of each whole name, end mark included, float64 (records,)."""
    nats = np.empty(len(records))
    order = np.argsort([len(record) for record in records], kind="stable")
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        time = len(records[chosen[-1]]) + 1
        tokens = np.full((len(chosen), time + 1), IGNORE)
        tokens[:, 0] = BOUNDARY_ID
        for row, index in enumerate(chosen):
            size = len(records[index])
            tokens[row, 1 : size + 1] = records[index]
            tokens[row, size + 1] = BOUNDARY_ID
        losses, _ = _losses(model, tokens, model.initial_state(len(chosen)))
        nats[chosen] = losses.sum(axis=1)
    return nats


def text_nats(model: CharModel, ids: Ids) -> Floats:
    """Nats of each character of one text, state carried from zero, float64 (time,)."""
    tokens = np.concatenate([[BOUNDARY_ID], ids])[None]
    state, parts = model.initial_state(1), []
    for start in range(0, len(ids), _CHUNK):
        losses, state = _losses(model, tokens[:, start : start + _CHUNK + 1], state)
        parts.append(losses[0])
    return np.concatenate(parts)


def text_nats_side_by_side(
    model: CharModel, ids: Ids, streams: int = 32, warm_up: int = 128
) -> Floats:
    """Nearly `text_nats`, many times as quick: the text in pieces, each begun `warm_up` early."""
    piece = len(ids) // streams
    if piece < 2 * warm_up:
        return text_nats(model, ids)
    padded = np.concatenate([np.zeros(warm_up, dtype=np.int64), [BOUNDARY_ID], ids])
    tokens = np.stack([padded[i * piece : i * piece + warm_up + piece + 1] for i in range(streams)])
    state, parts = model.initial_state(streams), []
    for start in range(0, tokens.shape[1] - 1, _CHUNK):
        losses, state = _losses(model, tokens[:, start : start + _CHUNK + 1], state)
        parts.append(losses)
    return np.concatenate(parts, axis=1)[:, warm_up:].ravel()


def scores(
    model: CharModel, records: Sequence[Ids], *, endless: bool, batch_size: int = 256
) -> Iterator[npt.NDArray[np.float32]]:
    """Logits for every character that `records` pay for, in their order, a piece at a time.

    Each piece is (chars, vocab): a stretch of an endless text, or whole names with their end marks.
    """
    model.eval()
    device = model.head.weight.device
    with torch.inference_mode():
        if endless:
            tokens = torch.from_numpy(np.concatenate([[BOUNDARY_ID], *records]))[None, :-1]
            state = model.initial_state(1)
            for start in range(0, tokens.shape[1], _CHUNK):
                logits, state = model(tokens[:, start : start + _CHUNK].to(device), state)
                yield logits[0].float().cpu().numpy()
            return
        for start in range(0, len(records), batch_size):
            names = [torch.from_numpy(name) for name in records[start : start + batch_size]]
            padded = torch.nn.utils.rnn.pad_sequence(names, batch_first=True)
            tokens = torch.nn.functional.pad(padded, (1, 0), value=BOUNDARY_ID).to(device)
            logits, _ = model(tokens, model.initial_state(len(names)))
            rows = zip(logits.float().cpu().numpy(), names, strict=True)
            yield np.concatenate([row[: len(name) + 1] for row, name in rows])


def _losses(model: CharModel, tokens: Ids, state: TorchState) -> tuple[Floats, TorchState]:
    """Nats of tokens[:, 1:] given those before, 0 where padded; float64 (batch, time)."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        rows: Tensor = torch.from_numpy(tokens).to(model.head.weight.device)
        logits, state = model(rows[:, :-1].clamp(min=0), state)
        losses = cross_entropy(
            logits.float().transpose(1, 2), rows[:, 1:], ignore_index=IGNORE, reduction="none"
        )
    model.train(was_training)
    return losses.cpu().numpy().astype(np.float64), state
