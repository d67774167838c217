"""hf_scaling: how language models of symbolic music scale with their size.

Importing the package is cheap; every heavy library is imported by the room that needs it.
"""

__version__ = "0.1.0"
