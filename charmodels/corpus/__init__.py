"""From a file to a corpus: read, normalised and split once, without torch."""
