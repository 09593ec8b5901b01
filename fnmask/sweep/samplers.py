"""What proposes the next trial: Optuna's samplers, asked for whole combinations, none of them twice."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fnmask.sweep.claims import combination_key, tried
from fnmask.sweep.space import Space
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import CONTROL, FINISHED

SamplerName = Literal["tpe", "random", "grid", "quasi_random", "nsga2", "nsga3", "cma_es"]

# Samplers that draw every trial for itself. Those that breed a population repeat a combination on purpose.
UNIQUE: tuple[SamplerName, ...] = ("tpe", "random", "grid", "quasi_random")

# Samplers whose next trials do not depend on how the ones before ended.
INDEPENDENT: tuple[SamplerName, ...] = ("random", "quasi_random")

# TPE's cost grows with the trials that it looks at. Beyond this many it sees the best half and the newest half.
TPE_HISTORY = 400

_REDRAWS = 20
# Spaces up to this size are listed when redrawing finds nothing new.
LARGEST_LISTED_SPACE = 20_000


def build_sampler(
    name: SamplerName,
    *,
    seed: int,
    space: Space,
    session: int = 1,
    max_retries: int = 0,
) -> "JointSampler":
    """The sampler of a worker.

    Args:
        name: see `conf/study/default.yaml`. A grid is enqueued, so its sampler has nothing to choose.
        seed: should differ between workers and between calls: equal seeds propose the same trials.
        space: what is searched.
        session: what has failed in it is not proposed again.
        max_retries: the same of what was lost with so many workers and one more.
    """
    with quietly():
        return JointSampler(
            _inner(name, seed),
            space,
            unique=name in UNIQUE,
            history=TPE_HISTORY if name == "tpe" else None,
            tried=functools.partial(tried, session=session, max_retries=max_retries),
            seed=seed,
            independent=name in INDEPENDENT,
        )


def _inner(name: SamplerName, seed: int) -> BaseSampler:
    if name == "tpe":
        # Groups: parameters that are asked under the same condition are modeled together.
        return optuna.samplers.TPESampler(
            seed=seed,
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=8,
        )
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=24)
    if name == "nsga3":
        return optuna.samplers.NSGAIIISampler(seed=seed, population_size=24)
    if name == "cma_es":
        return optuna.samplers.CmaEsSampler(seed=seed)
    if name == "quasi_random":
        return optuna.samplers.QMCSampler(seed=seed, scramble=True)
    return optuna.samplers.RandomSampler(seed=seed)


# What independent samplers are asked on behalf of; they do not look at it.
_NO_TRIAL: Any = None


class JointSampler(BaseSampler):
    """Draws a whole combination at once from another sampler, again while it has been tried before.

    Args:
        inner: proposes.
        space: the parameters, in order, with their conditions.
        unique: never propose a combination of choices twice while there is another.
        history: show the inner sampler this many finished trials at most; None: all.
        tried: gives the keys of what has been tried, see `claims.tried`.
        seed: of the choice among what is left.
        independent: how trials end changes nothing of what it proposes next.
    """

    def __init__(
        self,
        inner: BaseSampler,
        space: Space,
        *,
        unique: bool,
        history: int | None,
        tried: Callable[[Sequence[FrozenTrial]], set[str]],
        seed: int,
        independent: bool,
    ) -> None:
        self._inner, self._space, self._unique = inner, space, unique
        self._history, self._keys = history, tried
        self._random = np.random.default_rng(seed)
        self._drawn: dict[str, Any] = {}
        self._n_settled, self._settled = 0, set[str]()
        self._independent = independent

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that apply to the combination that is drawn here, for `sample_relative` to hand out."""
        given = CONTROL in trial.user_attrs or "fixed_params" in trial.system_attrs
        # Under Hyperband Optuna shows the trials of one bracket; what has been tried was tried in all of them.
        self._drawn = {} if given else self._draw(getattr(study, "_study", study), trial)
        return {name: self._space.distributions[name] for name in self._drawn}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The combination that was drawn."""
        return self._drawn

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter that an enqueued trial leaves open."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def draw_ahead(self, study: Study, count: int) -> list[dict[str, Any]]:
        """The next combinations at once, for the caller to queue; none where each depends on how others end."""
        if not self._independent:
            return []
        trials = study.get_trials(deepcopy=False)
        seen: Any = _Excerpt(study, trials, self._history)
        done, drawn = self._tried(trials), []
        for _ in range(count):
            drawn.append(self._draw_new(seen, _NO_TRIAL, done))
            done = done | {combination_key(drawn[-1])}
        return drawn

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the inner sampler know."""
        self._inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Let the inner sampler know."""
        self._inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Draw other values from now on."""
        self._inner.reseed_rng()

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        seen: Any = _Excerpt(study, trials, self._history)
        if not self._unique:
            return self._draw_once(seen, trial)
        done = self._tried(trials)
        return self._draw_new(seen, trial, done)

    def _draw_new(self, seen: Any, trial: FrozenTrial, done: set[str]) -> dict[str, Any]:
        """A combination that is not done, if there is one."""
        for _ in range(_REDRAWS):
            drawn = self._draw_once(seen, trial)
            if combination_key(drawn) not in done:
                return drawn
        left = self._untried(done)
        return left[int(self._random.integers(len(left)))] if left else drawn

    def _tried(self, trials: Sequence[FrozenTrial]) -> set[str]:
        """As `claims.tried`. Finished trials stay as they are, so those up to the first other one are read once."""
        ahead = enumerate(trials[self._n_settled :], self._n_settled)
        settled = next((place for place, trial in ahead if not trial.state.is_finished()), len(trials))
        self._settled |= self._keys(trials[self._n_settled : settled])
        self._n_settled = settled
        return self._settled | self._keys(trials[settled:])

    def _draw_once(self, seen: Any, trial: FrozenTrial) -> dict[str, Any]:
        relative = self._inner.sample_relative(seen, trial, self._infer(seen, trial))

        def choose(name: str, distribution: BaseDistribution) -> Any:
            if name in relative:
                return relative[name]
            return self._inner.sample_independent(seen, trial, name, distribution)

        return self._space.draw(choose)

    def _infer(self, seen: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        # A sequence has a coordinate for every parameter, asked or not; Optuna would take those of the first trial.
        if isinstance(self._inner, optuna.samplers.QMCSampler):
            return dict(self._space.distributions)
        return self._inner.infer_relative_search_space(seen, trial)

    def _untried(self, done: set[str]) -> list[dict[str, Any]]:
        size = self._space.n_combinations(LARGEST_LISTED_SPACE)
        if size is None or not all(isinstance(d, CategoricalDistribution) for d in self._space.distributions.values()):
            return []
        return [chosen for chosen in self._space.combinations() if combination_key(chosen) not in done]


class _Excerpt:
    """A study of which a sampler sees the running trials, and of the finished ones the best and the newest.

    No controls: they have no parameters, and most samplers relate only those that all finished trials have.
    """

    def __init__(self, study: Study, trials: Sequence[FrozenTrial], limit: int | None) -> None:
        self._study = study
        searched = [trial for trial in trials if CONTROL not in trial.user_attrs]
        self._kept = searched if limit is None else _excerpt(searched, study.directions, limit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Sequence[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        """What Optuna's samplers call."""
        return [trial for trial in self._kept if states is None or trial.state in states]

    def get_trials(self, deepcopy: bool = True, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        return self._get_trials(states=states)


def _excerpt(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], limit: int) -> list[FrozenTrial]:
    """At most `limit` finished trials, in the order of their numbers, and all that are not finished."""
    finished = [trial for trial in trials if trial.state in FINISHED]
    if len(finished) <= limit:
        return list(trials)
    newest, older = finished[-(limit // 2) :], finished[: -(limit // 2)]
    best: dict[int, FrozenTrial] = {}
    # Of several objectives, the best in each: they hold the ends of the front.
    for place, direction in enumerate(directions):
        ranked = sorted(
            (trial for trial in older if trial.state == TrialState.COMPLETE),
            key=_ranking(place, direction),
        )
        best |= {trial.number: trial for trial in ranked[: (limit - limit // 2) // len(directions)]}
    kept = {trial.number for trial in newest} | set(best)
    return [trial for trial in trials if trial.number in kept or trial.state == TrialState.RUNNING]


def _ranking(place: int, direction: StudyDirection) -> Callable[[FrozenTrial], tuple[float, float]]:
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    # What breaks a constraint comes after what keeps to them, by how much.
    return lambda trial: (sum(max(0.0, by) for by in trial.constraints.values()), sign * trial.values[place])
