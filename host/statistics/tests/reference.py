"""Writes reference.json: results of scipy, statsmodels, lifelines and arch that the tests compare with.

    python3 -m venv venv && venv/bin/pip install scipy statsmodels lifelines arch
    venv/bin/python host/statistics/tests/reference.py > host/statistics/tests/reference.json

The inputs are drawn from a fixed seed, so running it again changes only what another version calculates otherwise.
"""

import itertools
import json
import math
import sys
from importlib.metadata import version

import numpy as np
from arch.bootstrap import MovingBlockBootstrap
from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

random = np.random.default_rng(20261124)


def rounded(values, digits=3):
    """Numbers that JSON holds exactly as they are calculated with."""
    return [float(round(value, digits)) for value in values]


def mann_whitney():
    cases = []
    # The exact distribution of scipy is that without ties, so small groups have enough digits to have none.
    for n1, n2, shift, digits in [
        (1, 1, 0, 9), (3, 3, 9, 9), (4, 4, 9, 9), (5, 7, 1, 9), (10, 10, 0.5, 9), (20, 25, 0.6, 9), (30, 30, 0.4, 9),
        (40, 35, 0.3, 3), (80, 90, 0.3, 0), (200, 150, 0.2, 1),
    ]:
        first, second = rounded(random.normal(0, 1, n1), digits), rounded(random.normal(shift, 1, n2), digits)
        method = "exact" if n1 + n2 <= 60 else "asymptotic"
        result = stats.mannwhitneyu(first, second, method=method, use_continuity=True)
        cases.append({"first": first, "second": second, "u": float(result.statistic), "p": float(result.pvalue)})
    # With ties: every division, counted by permutation_test.
    for n1, n2 in [(3, 3), (4, 5), (6, 6), (7, 5)]:
        first, second = rounded(random.integers(0, 4, n1)), rounded(random.integers(1, 5, n2))

        def statistic(a, b, axis=-1):
            ranks = stats.rankdata(np.concatenate([a, b], axis=axis), axis=axis)
            return np.take(ranks, range(a.shape[axis]), axis=axis).sum(axis=axis)

        result = stats.permutation_test(
            (np.array(first), np.array(second)), statistic, permutation_type="independent",
            alternative="two-sided", n_resamples=math.inf, vectorized=True,
        )
        u = stats.mannwhitneyu(first, second, method="asymptotic").statistic
        cases.append({"first": first, "second": second, "u": float(u), "p": float(result.pvalue)})
    return cases


def sign_flip():
    cases = []
    for n, shift in [(2, 1), (3, 2), (6, 3), (8, 0.5), (12, 0.7), (15, 0.2)]:
        differences = rounded(random.normal(shift, 1, n))
        result = stats.permutation_test(
            (np.array(differences),), lambda x, axis=-1: np.mean(x, axis=axis), permutation_type="samples",
            alternative="two-sided", n_resamples=math.inf, vectorized=True,
        )
        cases.append({"differences": differences, "p": float(result.pvalue)})
    return cases


def sign_flip_drawn():
    """More than can all be tried: a test on the mean of a million random assignments."""
    differences = rounded(random.normal(0.3, 1, 40))
    result = stats.permutation_test(
        (np.array(differences),), lambda x, axis=-1: np.mean(x, axis=axis), permutation_type="samples",
        alternative="two-sided", n_resamples=1_000_000, batch=10_000, vectorized=True, rng=random,
    )
    return {"differences": differences, "p": float(result.pvalue)}


def cliffs_delta():
    cases = []
    for n1, n2, shift in [(1, 1, 0), (5, 4, 1), (30, 20, 0.5), (50, 50, 0)]:
        before, after = rounded(random.normal(0, 1, n1), 1), rounded(random.normal(shift, 1, n2), 1)
        delta = np.sign(np.subtract.outer(np.array(after), np.array(before))).mean()
        cases.append({"before": before, "after": after, "delta": float(delta)})
    return cases


def wilson():
    cases = []
    for successes, trials, confidence in [(0, 1, 0.95), (3, 3, 0.95), (7, 10, 0.95), (50, 1000, 0.99), (999, 1000, 0.9), (0, 20, 0.95)]:
        low, high = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
        cases.append({"successes": successes, "trials": trials, "confidence": confidence, "low": float(low), "high": float(high)})
    return cases


def fisher():
    tables = [[[3, 0], [0, 3]], [[8, 2], [1, 5]], [[10, 10], [12, 8]], [[0, 5], [5, 0]], [[100, 20], [80, 40]], [[1, 0], [0, 1]], [[30, 0], [25, 5]], [[7, 3], [7, 3]]]
    return [{"table": table, "p": float(stats.fisher_exact(table).pvalue)} for table in tables]


def mcnemar_exact():
    pairs = [(0, 0), (1, 0), (5, 0), (6, 0), (10, 3), (4, 4), (40, 20)]
    return [{"b": b, "c": c, "p": float(mcnemar([[3, b], [c, 3]], exact=True).pvalue)} for b, c in pairs]


def survival():
    cases = []
    for n, horizon in [(1, 10), (5, 10), (20, 15), (50, 30), (50, 8)]:
        times = rounded(np.maximum(random.exponential(8, n), 0.1), 0 if n == 50 else 1)
        happened = [bool(time < 20 and random.random() < 0.8) for time in times]
        times = [min(time, 20.0) for time in times]
        fitter = KaplanMeierFitter().fit(times, happened)
        table = fitter.event_table
        table = table[table.observed > 0]
        cases.append({
            "times": times, "happened": happened, "horizon": float(horizon),
            "steps": [
                [float(time), int(row.at_risk), int(row.observed), float(fitter.survival_function_at_times(time).iloc[0])]
                for time, row in table.iterrows()
            ],
            "median": None if math.isinf(fitter.median_survival_time_) else float(fitter.median_survival_time_),
            "restricted_mean": float(restricted_mean_survival_time(fitter, t=horizon)),
        })
    return cases


def holm():
    cases = [[0.01], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5], [0.02, 0.02, 0.9], [0.0, 1.0]]
    return [{"p": p, "corrected": [float(q) for q in multipletests(p, method="holm")[1]]} for p in cases]


def pass_k():
    """By enumeration of every choice of k trials."""
    cases = []
    for successes, trials, k in itertools.product([0, 1, 3, 8], [8], [1, 2, 5, 8]):
        results = [True] * successes + [False] * (trials - successes)
        choices = list(itertools.combinations(results, k))
        cases.append({
            "successes": successes, "trials": trials, "k": k,
            "any": sum(any(choice) for choice in choices) / len(choices),
            "all": sum(all(choice) for choice in choices) / len(choices),
        })
    return cases


def bootstrap():
    """Series whose values depend on their neighbours; each drawn again in blocks of the cube root of its length."""
    cases = []
    for n1, n2, memory in [(30, 30, 0.0), (60, 40, 0.7), (200, 100, 0.5)]:
        series = []
        for n in (n1, n2):
            values = [random.normal()]
            for _ in range(n - 1):
                values.append(memory * values[-1] + random.normal())
            series.append(rounded(values))
        before, after = series
        draws = []
        for values in series:
            block = math.ceil(round(len(values) ** (1 / 3), 9))
            drawn = MovingBlockBootstrap(block, np.array(values), seed=random)
            draws.append(drawn.apply(np.mean, 100_000)[:, 0])
        low, high = np.quantile(draws[1] - draws[0], [0.025, 0.975])
        cases.append({"before": before, "after": after, "difference": float(np.mean(after) - np.mean(before)), "low": float(low), "high": float(high)})
    return cases


json.dump({
    "made_with": {name: version(name) for name in ["numpy", "scipy", "statsmodels", "lifelines", "arch"]},
    "mann_whitney": mann_whitney(),
    "sign_flip": sign_flip(),
    "sign_flip_drawn": sign_flip_drawn(),
    "cliffs_delta": cliffs_delta(),
    "wilson": wilson(),
    "fisher": fisher(),
    "mcnemar": mcnemar_exact(),
    "survival": survival(),
    "holm": holm(),
    "pass_k": pass_k(),
    "bootstrap": bootstrap(),
}, sys.stdout, separators=(",", ":"))
print()
