"""The parts of the patch engine, one file per family of operations; ``patch_engine.py`` is its face. Pure.

``table`` lists the operations and their ``fields``. An operation works on a ``draft``, which keeps account of
what it changes. ``ports`` finds inputs and outputs and knows which fit, ``making`` makes the inputs of nodes;
``pieces`` and ``splicing`` put things into links.
"""
