"""A side that computes nothing: its steps give the draws' sums. Some workloads make it fail.

It does not know dcgan28, dies on mlp, and on wgan-gp28 its two variants disagree. Time is what it
says: a slow step takes 20 ms, a fast one 5, and both take two processors. On its GPU a step is a
tenth of that, its events count milliseconds, and a step leaves 1 MB behind.
"""

import os
import time

import numpy as np

SECONDS = {"slow way": 0.02, "fast way": 0.005}


class Clock:
    now = 0.0


class Device:
    name = precision = None


def versions():
    told = {"gpu": Device.name, "precision": Device.precision} if Device.name else {}
    return {"fake": "1", "threads": os.environ["OPENBLAS_NUM_THREADS"], **told}


def set_device(device, precision):
    Device.name, Device.precision = device, precision
    for way in list(SECONDS):
        SECONDS[f"{way} eager"], SECONDS[f"{way} graph"] = SECONDS[way] / 10, SECONDS[way] / 100
        del SECONDS[way]


def event():
    return 1e3 * Clock.now


def seconds(first, second):
    return (second - first) / 1e3


def memory():
    return Runner.steps << 20


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
    steps = 0

    def __init__(self, workload, variant):
        self.workload, self.variant = workload, variant
        self.held = None

    def place(self, batch):
        return batch[0]

    def step(self, real, draws=None):
        if self.workload.name == "mlp":
            os._exit(3)
        self.held = np.ones(2**21)  # 16 MB
        Runner.steps += 1
        Clock.now += SECONDS[self.variant]
        if self.workload.name == "wgan-gp28":
            return SECONDS[self.variant]
        return None if draws is None else float(draws.sum())

    def figures(self, result):
        return (result,)
