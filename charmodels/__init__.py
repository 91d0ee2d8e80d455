"""Character models: from a list of names or a text to a page that streams them."""

__version__ = "0.1.0"
