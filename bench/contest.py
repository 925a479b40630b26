"""Measuring contestants in turn, so that a busy machine is busy for all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Result", "measure", "print_bar", "print_table"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one contestant took: the median of its rounds, and its ratio to the reference in each round."""

    name: str
    median: float
    ratio: float
    low: float
    high: float


def measure(
    contestants: Mapping[str, Callable[[], object]], *, reference: str, rounds: int, repeats: int
) -> list[Result]:
    """
    Run every contestant in each round, in an order that turns, and compare it with the reference of that round.

    Args:
        contestants: what to run, by name.
        reference: the contestant that has ratio 1.
        rounds: how many rounds; low and high are the quartiles of their ratios.
        repeats: calls per contestant and round.
    """
    names = list(contestants)
    times: dict[str, list[float]] = {name: [] for name in names}
    for run in contestants.values():  # caches are warm before the first round
        for _ in range(max(3, repeats // 10)):
            run()
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                times[name].append(_seconds(contestants[name], repeats))
    finally:
        gc.enable()
    return [_result(name, times[name], times[reference]) for name in names]


def _seconds(run: Callable[[], object], repeats: int) -> float:
    begun = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - begun) / repeats


def _result(name: str, own: list[float], reference: list[float]) -> Result:
    ratios = [mine / theirs for mine, theirs in zip(own, reference, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Result(name, statistics.median(own), middle, low, high)


def print_table(title: str, results: list[Result]) -> None:
    """Print medians in microseconds with ratios and their quartiles."""
    print(f"\n{title}")
    print(f"  {'contestant':<28} {'median us':>10} {'ratio':>7}   quartiles")
    for one in results:
        print(
            f"  {one.name:<28} {one.median * 1e6:>10.1f} {one.ratio:>7.3f}   {one.low:.3f} - {one.high:.3f}"
        )


def print_bar(name: str, value: float, bar: float, unit: str = "ratio") -> None:
    """Print one line per bar: ``BAR name value unit bar ok|short``."""
    print(f"BAR {name} {value:.3f} {unit} <={bar:.2f} {'ok' if value <= bar else 'short'}")
