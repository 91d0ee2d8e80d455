"""What must hold on a GPU: training, exact plan on resume, equality with the CPU, and speed.

Nothing here runs without a GPU: then it says so and gives no figure.
"""

import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from charmodels.__main__ import main
from charmodels.config import ModelConfig, TrainConfig
from charmodels.evaluation.likelihood import text_nats_side_by_side
from charmodels.models import build_model
from charmodels.models.torch_step import TorchStep
from charmodels.training.batches import TextStreams
from charmodels.training.checkpoint import read_model, read_run
from charmodels.training.train import reopen_corpus
from charmodels.training.update import Updater
from export.parity import prove
from tests.benchmarks.rows import Row
from tests.runs import start

DEVICE = "cuda"
STEPS, ROWS, WINDOW, HIDDEN = 200, 256, 128, 512


def rows() -> list[Row]:
    """Train on the GPU, compare its model with the CPU, race a plain nn.LSTM loop."""
    if not torch.cuda.is_available():
        print("  skipped: no GPU here (torch.cuda.is_available() is False)")
        return []
    ours, plain = _characters_per_second(), _plain_loop()
    return [
        *_train_and_resume(),
        Row(name="characters/s, LSTM-512, one GPU", value=ours, unit="/s"),
        Row(
            name="ours / plain nn.LSTM float32 loop",
            value=ours / plain,
            unit="x",
            limit=1.0,
            at_least=True,
        ),
    ]


def _train_and_resume() -> list[Row]:
    """Train; train again, kill -9, resume; and hold the GPU's model and figure to the CPU's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, killed = folder / "whole", folder / "killed"
        flags = ["--device", DEVICE, "--max-steps", "300", "--no-test"]
        corpus = "shakespeare_tragedies"
        assert main(["train", corpus, "--out", str(whole), *flags]) == 0
        process = start("train", corpus, "--out", killed, *flags)
        while not (killed / "log.jsonl").is_file():
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert main(["train", "--out", str(killed), "--resume"]) == 0
        facts, again = read_run(whole), read_run(killed)
        on_cpu, on_gpu = read_model(whole, facts), read_model(whole, facts).to(DEVICE)
        proofs = prove(TorchStep(on_cpu), TorchStep(on_gpu), len(facts.vocabulary))
        worst = max(proof.difference.scaled for proof in proofs)
        ids = facts.vocabulary.encode(reopen_corpus(facts)[1].validation[0])
        of_cpu = float(text_nats_side_by_side(on_cpu, ids).mean())
    nats, resumed = (float((f.metrics or {})["validation_nats_per_char"]) for f in (facts, again))
    return [
        Row(name="validation after 300 steps on a GPU", value=nats, unit="nats", limit=2.3),
        Row(
            name="killed and resumed, difference",
            value=abs(resumed - nats),
            unit="nats",
            limit=0.05,
        ),
        Row(
            name="validation on the CPU, difference", value=abs(of_cpu - nats), unit="", limit=1e-3
        ),
        Row(name="CPU against GPU, 200 steps, scaled", value=worst, unit="", limit=1e-3),
    ]


def _streams(device: torch.device) -> TextStreams:
    ids = torch.randint(1, 65, (4_000_000,)).numpy()
    return TextStreams(ids, ROWS, WINDOW, 0.01, 0, device)


def _characters_per_second() -> float:
    device = torch.device("cuda")
    model = build_model(65, ModelConfig(hidden_size=HIDDEN)).to(device)
    updater, streams = Updater(model, TrainConfig(), "bfloat16"), _streams(device)
    for step in range(20):
        updater.update(streams.batch(step), step, STEPS)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for step in range(20, STEPS):
        updater.update(streams.batch(step), step, STEPS)
    torch.cuda.synchronize()
    return (STEPS - 20) * ROWS * WINDOW / (time.perf_counter() - start)


def _plain_loop() -> float:
    device = torch.device("cuda")
    embedding, lstm = nn.Embedding(65, 64).to(device), nn.LSTM(64, HIDDEN, batch_first=True)
    lstm, head = lstm.to(device), nn.Linear(HIDDEN, 65).to(device)
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    streams = _streams(device)
    state = None
    for step in range(STEPS):
        if step == 20:
            torch.cuda.synchronize()
            start = time.perf_counter()
        batch = streams.batch(step)
        y, (h, c) = lstm(embedding(batch.inputs), state)
        state = (h.detach(), c.detach())
        loss = cross_entropy(head(y).flatten(0, 1), batch.targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    torch.cuda.synchronize()
    return (STEPS - 20) * ROWS * WINDOW / (time.perf_counter() - start)
