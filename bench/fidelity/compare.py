"""How close two samples are, and how close the measurement is to itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Sample = npt.NDArray[np.float64]

TOLERANCE = 0.05  # of latency, before distribution functions are compared
GAP = 0.02  # largest difference of distribution functions
MEAN = 0.05
CONFIDENCE = 0.99
RESAMPLES = 300
REPETITIONS = 1000  # of a measurement in the model
QUANTILES = (0.5, 0.9, 0.99)


def share_below(sample: Sample, at: Sample) -> Sample:
    """The empirical distribution function of a sorted sample."""
    return np.searchsorted(sample, at, side="right") / len(sample)


def largest_gap(one: Sample, other: Sample) -> float:
    """Largest vertical distance that moving each value by 5 % cannot close; both sorted."""
    worst = 0.0
    for low, high in ((one, other), (other, one)):
        # `low` rises too early: it is ahead of `high` even where `high` is moved towards it.
        at = np.unique(low)
        ahead = share_below(low, at) - share_below(high, at * (1 + TOLERANCE))
        worst = max(worst, float(ahead.max(initial=0.0)))
    return worst


@dataclass
class Verdict:
    """One cell: what was compared, and whether that is close enough."""

    cell: str
    gap: float = 0.0
    gap_allowed: float = GAP
    mean: tuple[float, float] = (0.0, 0.0)  # measured, simulated
    mean_allowed: tuple[float, float] = (0.0, 0.0)
    quantiles: list[tuple[float, float]] = field(default_factory=list)
    note: str = ""
    samples: tuple[Sample, Sample] | None = None  # measured and simulated, sorted, for the plots
    failures: list[str] = field(default_factory=list)

    @property
    def passes(self) -> bool:
        return not self.failures

    @property
    def mean_error(self) -> float:
        measured, simulated = self.mean
        return simulated / measured - 1 if measured else 0.0


def resampled(groups: list[Sample], random: np.random.Generator) -> Sample:
    """The measurement as it might have come out: whole flows drawn with replacement."""
    chosen = random.integers(0, len(groups), len(groups))
    return np.sort(np.concatenate([groups[k] for k in chosen]))


def repeated_means(groups: list[Sample], flows: int) -> Sample:
    """The means that measurements of so many flows of the model would find, sorted.

    They lie around the mean, unless the tail is so heavy that one flow in hundreds decides it: a
    measurement of a few dozen flows then rarely has one, and its own interval cannot tell.
    """
    sums = np.array([group.sum() for group in groups])
    sizes = np.array([len(group) for group in groups])
    random = np.random.default_rng(2)
    chosen = random.integers(0, len(groups), (REPETITIONS, flows))
    return np.sort(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))


def compare(
    cell: str, measured: list[Sample], simulated: Sample | list[Sample], *, tail: bool
) -> Verdict:
    """Judges one cell.

    Args:
        cell: its name.
        measured: one array a flow or connection; what depends on each other stays together.
        simulated: the same of the model, of more flows; one array if its values are independent.
        tail: at 10 % loss exceedance fractions are compared, instead of the mean.
    """
    verdict = Verdict(cell)
    if isinstance(simulated, np.ndarray):
        simulated = list(simulated.reshape(-1, 1))
    if not measured or not simulated:
        verdict.failures.append("nothing measured" if not measured else "nothing simulated")
        return verdict
    truth = np.sort(np.concatenate(measured))
    model = np.sort(np.concatenate(simulated))
    random = np.random.default_rng(1)
    again = [resampled(measured, random) for _ in range(RESAMPLES)]
    means = np.array([sample.mean() for sample in again])
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [edge, 1 - edge])
    own_gap = float(np.quantile([largest_gap(truth, sample) for sample in again[:100]], CONFIDENCE))

    verdict.samples = (truth, model)
    verdict.gap = largest_gap(truth, model)
    verdict.gap_allowed = max(GAP, own_gap)
    found = repeated_means(simulated, len(measured))
    verdict.mean = (float(truth.mean()), float(np.median(found)))
    verdict.mean_allowed = (
        min(float(low), float(truth.mean()) * (1 - MEAN)),
        max(float(high), float(truth.mean()) * (1 + MEAN)),
    )
    verdict.quantiles = [
        (float(np.quantile(truth, q)), float(np.quantile(model, q))) for q in QUANTILES
    ]
    if verdict.gap > verdict.gap_allowed:
        verdict.failures.append("gap")
    if tail:
        verdict.failures += exceedances(truth, again, model)
    elif not verdict.mean_allowed[0] <= verdict.mean[1] <= verdict.mean_allowed[1]:
        least, most = np.quantile(found, [edge, 1 - edge])
        if not least <= verdict.mean[0] <= most:
            verdict.failures.append("mean")
    return verdict


def exceedances(truth: Sample, again: list[Sample], model: Sample) -> list[str]:
    """Shares above multiples of the fastest value, against the measurement's own noise."""
    failures = []
    for factor in (1.5, 2, 3, 5, 10, 20):
        at = np.array([truth[0] * factor])
        own = np.array([1 - share_below(sample, at)[0] for sample in again])
        slack = max(3.0 * float(own.std()), 0.005)
        # Where a step of the distribution falls on the threshold, moving it by 5 % is allowed.
        lowest = 1 - share_below(truth, at * (1 + TOLERANCE))[0] - slack
        highest = 1 - share_below(truth, at * (1 - TOLERANCE))[0] + slack
        if not lowest <= 1 - share_below(model, at)[0] <= highest:
            failures.append(f"share above {at[0]:.0f} ms")
    return failures


def compare_counts(verdict: Verdict, measured: Sample, simulated: Sample, what: str) -> None:
    """Adds a comparison of counts a connection: their means, within the noise of both."""
    if not len(measured) or not len(simulated):
        return
    difference = abs(float(measured.mean()) - float(simulated.mean()))
    noise = float(
        np.hypot(measured.std() / len(measured) ** 0.5, simulated.std() / len(simulated) ** 0.5)
    )
    verdict.note = f"{what} {measured.mean():.2f} / {simulated.mean():.2f}"
    if difference > max(3.0 * noise, MEAN * float(measured.mean())):
        verdict.failures.append(what)
