"""MLflow's runs table as a sweep wants it read: which runs, which columns, sorted by what; and the link to it.

MLflow keeps named views as tags of the experiment, and opens the one that an address names (`viewStateShareKey`). Plain
tags of the experiment choose no columns, and its page opens on traces of language models unless told otherwise.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTE_TAG = "mlflow.note.content"

# Read by MLflow's charts and by its choice of pages.
EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
_PRIMARY_METRIC = "mlflow.experiment.primaryMetric.name"
_VIEW_TAG = "mlflow.sharedViewState."

# Of a longer text MLflow keeps nothing.
_MAX_TAG_CHARACTERS = 5000

# A text that a person has changed is left alone: without this line it is not fnmask's any more.
OWN_LINE = "*fnmask rewrites this text as long as this line stands in it.*"

_RUN_NAME = "attributes.`Run Name`"
_DESCRIPTION = "attributes.`Description`"
_NAME_WIDTH_PX, _NUMBER_WIDTH_PX = 290, 140


@dataclass(frozen=True)
class RunsView:
    """What the trials of a sweep are read by.

    Attributes:
        objectives: direction, `maximize` or `minimize`, by metric; the first one sorts.
        metrics: further metrics, in the order of their columns.
        params: further columns: what the search varies.
    """

    objectives: Mapping[str, str]
    metrics: Sequence[str] = ()
    params: Sequence[str] = ()

    def experiment_tags(self, study: str, run_id: str, *, created_ms: int) -> dict[str, str]:
        """The tags of the experiment that make the view.

        Args:
            study: name of the sweep.
            run_id: of the sweep.
            created_ms: when it began; MLflow lists the newest view first.

        Returns:
            Texts by name of the tag; fewer columns where they would be too long for MLflow.
        """
        sorted_by, direction = next(iter(self.objectives.items()))
        metrics = list(dict.fromkeys((*self.objectives, *self.metrics)))
        while True:
            state = self._state(run_id, metrics, sorted_by, ascending=direction == "minimize")
            # Older versions read the state itself, newer ones the text beside the name.
            told = json.dumps({**state, "name": study, "createdAt": created_ms, "state": json.dumps(state)})
            if len(told) <= _MAX_TAG_CHARACTERS or len(metrics) == 1:
                return {_VIEW_TAG + view_key(run_id): told, _PRIMARY_METRIC: sorted_by, **EXPERIMENT_KIND}
            metrics.pop()

    def _state(self, run_id: str, metrics: Sequence[str], sorted_by: str, *, ascending: bool) -> dict[str, Any]:
        numbers = [f"metrics.`{key}`" for key in metrics]
        columns = [*numbers, *(f"params.`{key}`" for key in self.params), "tags.`fnmask.control`", _DESCRIPTION]
        return {
            "searchFilter": f"tags.`fnmask.sweep` = '{run_id}' and tags.`fnmask.kind` = 'trial'",
            "orderByKey": f"metrics.`{sorted_by}`",
            "orderByAsc": ascending,
            "selectedColumns": columns,
            "columnOrder": [_RUN_NAME, *columns],
            "columnWidths": {_RUN_NAME: _NAME_WIDTH_PX, **dict.fromkeys(numbers, _NUMBER_WIDTH_PX)},
        }


def view_key(run_id: str) -> str:
    """Name of a sweep's view in addresses."""
    return f"fnmask-{run_id[:12]}"


def has_view(experiment_tags: Mapping[str, str], run_id: str) -> bool:
    """Whether a sweep has a view; those of older versions have none."""
    return _VIEW_TAG + view_key(run_id) in experiment_tags


def view_link(experiment_id: str, run_id: str) -> str:
    """Address of a sweep's view, to be put behind that of MLflow's page.

    Example:
        >>> view_link("1", "0123456789abcdef")
        '#/experiments/1/runs?viewStateShareKey=fnmask-0123456789ab&workflowType=machine_learning'
    """
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={view_key(run_id)}&workflowType=machine_learning"


def run_link(experiment_id: str, run_id: str) -> str:
    """Address of a run's page, to be put behind that of MLflow's page."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def experiment_note(links: Mapping[str, str]) -> str:
    """What stands above the runs table, in Markdown; its first line is what is seen before the text is unfolded.

    Args:
        links: addresses of views by the name of the sweep, the newest first; at least one.
    """
    (newest, link), *older = links.items()
    earlier = "".join(f"\n- [{name}]({address})" for name, address in older)
    return f"""Newest sweep: [{newest}, sorted by its objective]({link})

**How to read the table.** One row for each trial; its name is the loss variant. `tradeoff/others_gain`: points of mean
IoU that the classes beside the target won against the plain control of the same seed, network and data (more is
better). `tradeoff/target_cost`: points of IoU that the target lost (less is better). `val/iou/CLASS`: IoU on
validation, from 0 to 1. `fnmask.control`: `plain` counts every error, `class_downweight` weighs the whole target
down; a mask has to beat both.

One run says little: seeds differ. `fnmask compare` says, with intervals over seeds and images, which differences are
more than chance. What it said last stands on the page of the sweep, with the whole comparison as `compare/report.html`.
{f"{chr(10)}Earlier sweeps:{chr(10)}{earlier}{chr(10)}" if earlier else ""}
{OWN_LINE}"""


def is_own(note: str) -> bool:
    """Whether a text may be rewritten."""
    return not note or OWN_LINE in note


def sweep_note(description: str, verdict: str, link: str) -> str:
    """What stands on the page of a sweep, in Markdown.

    Args:
        description: of the sweep, in lines.
        verdict: of its comparison, in Markdown; empty before there is one.
        link: address of its view.
    """
    told = verdict or "Not compared yet: `fnmask compare` writes its verdict here."
    searched = f"\n\n```\n{description}\n```" if description else ""
    return f"{told}\n\n[The trials, sorted by the objective]({link}){searched}\n\n{OWN_LINE}"
