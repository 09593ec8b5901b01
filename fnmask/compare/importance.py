"""Which setting the gain of the others hangs on: fANOVA and PED-ANOVA over the variants of a search.

Both say how much of the spread of a reading goes with each setting. From a few dozen settings that is a hint: the bars
show how far it moves when the variants are drawn again, with replacement.

Sources: F. Hutter, H. Hoos, K. Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014;
S. Watanabe, A. Bansal, F. Hutter, PED-ANOVA, IJCAI 2023; both as Optuna has them.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go

from fnmask.compare.plots import CONTROL_COLOR, TARGET_COLORS
from fnmask.compare.settings import Settings
from fnmask.compare.wording import label

# A forest over fewer points, and a tenth of them as the best, tell nothing.
LEAST_SETTINGS = 10
_MOST_SETTINGS = 100
_DRAWS = 10
# Between forests of so many the shares differ by a fifth of what they differ by between draws.
_TREES = 16


@dataclass(frozen=True)
class Importance:
    """Shares of the spread by setting, of each method.

    Attributes:
        n_settings: variants that it was estimated from.
        shares: by method and setting: share in [0, 1] of the variants as they are, then of every draw.
        reason: why there are none.
    """

    n_settings: int
    shares: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    reason: str = ""


def importance_of(settings: Settings) -> Importance:
    """Importance for the gain of the others; seeds are averaged, and a variant counts once."""
    count, values = len(settings.rows), settings.values
    if len(values) < 2:
        return Importance(count, reason=f"{len(values) or 'no'} setting was varied: there is nothing to divide.")
    if count < LEAST_SETTINGS:
        return Importance(
            count, reason=f"from {count} variants it would be noise; at least {LEAST_SETTINGS} are needed."
        )
    gains = np.array([row.values["others_gain"].mean for row in settings.rows])
    generator = np.random.default_rng(0)
    if count > _MOST_SETTINGS:
        kept = np.sort(generator.choice(count, _MOST_SETTINGS, replace=False))
        gains, values = gains[kept], {key: tuple(own[place] for place in kept) for key, own in values.items()}
    draws = [np.arange(len(gains)), *generator.integers(0, len(gains), (_DRAWS, len(gains)))]
    told = [_evaluate(values, gains, draw, seed) for seed, draw in enumerate(draws)]
    return Importance(
        len(gains),
        {
            method: {key: [of[method].get(key, 0.0) for of in told] for key in values}
            for method in ("fANOVA", "PED-ANOVA")
        },
    )


def _evaluate(
    values: Mapping[str, Sequence[Any]], gains: Sequence[float] | Any, draw: Any, seed: int
) -> dict[str, Mapping[str, float]]:
    """Both methods on one draw of the variants."""
    # Optuna and scikit-learn take a second, which pages without this section need not wait for.
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    distributions: dict[str, BaseDistribution] = {}
    for key, own in values.items():
        is_number = all(isinstance(value, float) for value in own)
        distributions[key] = (
            FloatDistribution(min(own), max(own)) if is_number else CategoricalDistribution(sorted(set(own)))
        )
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize")
            study.add_trials(
                [
                    optuna.trial.create_trial(
                        params={key: own[place] for key, own in values.items()},
                        distributions=distributions,
                        value=float(gains[place]),
                    )
                    for place in draw
                ]
            )
            evaluators = {
                "fANOVA": FanovaImportanceEvaluator(n_trees=_TREES, seed=seed),
                "PED-ANOVA": PedAnovaImportanceEvaluator(),
            }
            found: dict[str, Mapping[str, float]] = {}
            for method, evaluator in evaluators.items():
                try:
                    found[method] = optuna.importance.get_param_importances(study, evaluator=evaluator)
                # A draw in which nothing varies has nothing to divide.
                except (ValueError, RuntimeError, ZeroDivisionError):
                    found[method] = {}
            return found
    finally:
        optuna.logging.set_verbosity(before)


def importance_figure(importance: Importance) -> go.Figure | None:
    """Bars for both methods; whiskers from the 5th to the 95th percentile over the draws."""
    if importance.reason:
        return None
    figure = go.Figure()
    order = list(next(iter(importance.shares.values())))
    order.sort(key=lambda key: importance.shares["fANOVA"][key][0])
    for index, (method, shares) in enumerate(importance.shares.items()):
        means = [100 * shares[key][0] for key in order]
        low, high = (np.array([100 * float(np.percentile(shares[key][1:], at)) for key in order]) for at in (5, 95))
        figure.add_bar(
            y=[label(key) for key in order], x=means, orientation="h", name=method,
            marker={"color": TARGET_COLORS[index], "pattern": {"shape": ("", "/")[index]}},
            error_x={"type": "data", "array": np.maximum(0, high - means).tolist(), "thickness": 1,
                     "arrayminus": np.maximum(0, np.array(means) - low).tolist(), "color": CONTROL_COLOR},
            hovertemplate=f"{method}: %{{y}} %{{x:.0f}} %<extra></extra>",
        )  # fmt: skip
    return figure.update_layout(
        barmode="group", xaxis={"title": {"text": "share of the spread of the others' gain, %"}, "range": [0, 105]},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=160 + 60 * len(order),
        margin={"l": 160, "r": 20, "t": 20, "b": 50}, legend={"orientation": "h", "y": 1.12},
        font={"family": "system-ui, sans-serif", "size": 13}, template="none", yaxis={"type": "category"},
    )  # fmt: skip
