"""Benchmarks: figures with a peer or a limit measured in the same run.

python -m tests.benchmarks                 all of them, about ten minutes
python -m tests.benchmarks streaming page  some of them
"""
