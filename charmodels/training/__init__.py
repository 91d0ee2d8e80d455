"""From a corpus to a run folder."""
