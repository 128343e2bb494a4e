"""Time candidates by turns, so that what disturbs one disturbs all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

Array = NDArray[np.float64]
Candidates = dict[str, Callable[[], object]]


def best_times(candidates: Candidates, rounds: int) -> dict[str, float]:
    """Return the least processor time (s) of each, all of them timed once in every round."""
    times = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, run in candidates.items():
            start = time.process_time()
            run()
            times[name] = min(times[name], time.process_time() - start)
    return times


def show(title: str, times: dict[str, float], reference: str) -> None:
    print(title)
    for name, seconds in times.items():
        print(f"  {name:<44s} {seconds:9.4f} s  {seconds / times[reference]:8.2f} ×")


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for what is told as done and total."""
    with Progress(transient=True) as progress:
        task = progress.add_task(title)
        yield lambda done, total: progress.update(task, completed=done, total=total)
