"""Models that remember a fixed number of characters: counted, not trained."""
