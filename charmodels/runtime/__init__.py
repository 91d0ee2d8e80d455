"""Load a bundle, stream from it, score with it: numpy and onnxruntime, no torch."""
