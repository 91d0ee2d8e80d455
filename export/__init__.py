"""From a run folder to a bundle: the step as ONNX, proven equal to torch before it is written."""
