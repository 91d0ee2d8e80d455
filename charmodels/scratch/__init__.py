"""The RNN and the LSTM from nothing but numpy, with backpropagation through time written by hand.

    rng = np.random.default_rng(0)
    model = RNN.fresh(vocab, hidden=100, rng=rng)
    adagrad, state = Adagrad(model.weights), model.initial_state()
    for inputs, targets in windows:                     # (time,) ids, targets one further
        gradients, nats, state = model.learn(inputs, targets, state)
        adagrad.update(gradients)

Read `rnn.py` first, then `adagrad.py`, `gradient_check.py` and `lstm.py`. The same weights give the
same logits in torch and in onnxruntime, and `python -m charmodels train --engine numpy` trains a
run with this code.
"""

from charmodels.scratch.adagrad import Adagrad
from charmodels.scratch.gradient_check import check_gradients
from charmodels.scratch.lstm import LSTM
from charmodels.scratch.rnn import RNN

__all__ = ["LSTM", "RNN", "Adagrad", "check_gradients"]
