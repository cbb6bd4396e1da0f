"""A side that computes nothing: its steps give the draws' sums. Some workloads make it fail.

It does not know dcgan28, dies on mlp, and on wgan-gp28 its two variants disagree. Time is what it
says: a slow step takes 20 ms, a fast one 5, and both take two processors.
"""

import os
import time

import numpy as np

SECONDS = {"slow way": 0.02, "fast way": 0.005}


class Clock:
    now = 0.0


def versions():
    return {"fake": "1", "threads": os.environ["OPENBLAS_NUM_THREADS"]}


def set_threads(count):
    print(f"this goes to standard error: {count} threads")
    time.perf_counter = lambda: Clock.now
    time.process_time = lambda: 2 * Clock.now


def variants(workload):
    return [] if workload.name == "dcgan28" else list(SECONDS)


def build(workload, weights, variant):
    if variant not in SECONDS:
        raise ValueError(f"the variant is {variant}")
    return Runner(workload, variant)


class Runner:
    def __init__(self, workload, variant):
        self.workload, self.variant = workload, variant
        self.held = None

    def place(self, batch):
        return batch[0]

    def step(self, real, draws=None):
        if self.workload.name == "mlp":
            os._exit(3)
        self.held = np.ones(2**21)  # 16 MB
        Clock.now += SECONDS[self.variant]
        if self.workload.name == "wgan-gp28":
            return SECONDS[self.variant]
        return None if draws is None else float(draws.sum())

    def figures(self, result):
        return (result,)
