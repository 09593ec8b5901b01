"""What a person finds written in MLflow's pages: on the experiment, and on each sweep."""

from collections.abc import Mapping

from fnmask.tracking.mlflow_client import MlflowClient, RunTag
from fnmask.tracking.runs_view import NOTE_TAG, RunsView, experiment_note, has_view, is_own, sweep_note, view_link

# The parts of a sweep's text, by the tag that keeps them.
DESCRIPTION, VERDICT = "fnmask.description", "fnmask.verdict"

# Sweeps named above the runs table.
_MOST_SWEEPS = 9
# Of a longer text MLflow keeps nothing.
_MAX_CHARACTERS = 7500


def show_sweep(client: MlflowClient, experiment_id: str, view: RunsView, *, study: str, run_id: str) -> None:
    """Keep the view of a sweep with the experiment, and link to it above the runs table."""
    begun_ms = int(client.get_run(run_id).info.start_time)
    tags = dict(client.get_experiment(experiment_id).tags)
    wanted = view.experiment_tags(study, run_id, created_ms=begun_ms)
    if is_own(tags.get(NOTE_TAG, "")):
        sweeps = client.search_runs(
            [experiment_id],
            filter_string="tags.`fnmask.kind` = 'sweep'",
            order_by=["attributes.start_time DESC"],
            max_results=_MOST_SWEEPS,
        )
        shown = {run.info.run_id: run.info.run_name for run in sweeps if has_view(tags | wanted, run.info.run_id)}
        links = {str(name): view_link(experiment_id, own) for own, name in {run_id: study, **shown}.items()}
        wanted[NOTE_TAG] = experiment_note(links)
    for key, value in wanted.items():
        if tags.get(key) != value:
            client.set_experiment_tag(experiment_id, key, value)


def describe_sweep(client: MlflowClient, experiment_id: str, run_id: str, parts: Mapping[str, str]) -> None:
    """Write the text of a sweep's page anew from its parts, unless a person has changed it.

    Args:
        client: of the store.
        experiment_id: of the sweep.
        run_id: of the sweep.
        parts: the parts that have changed, by tag.
    """
    tags = dict(client.get_run(run_id).data.tags)
    new = {key: value[:_MAX_CHARACTERS] for key, value in parts.items()}
    told = tags | new
    if is_own(tags.get(NOTE_TAG, "")):
        note = sweep_note(told.get(DESCRIPTION, ""), told.get(VERDICT, ""), view_link(experiment_id, run_id))
        short = sweep_note("", told.get(VERDICT, "")[: _MAX_CHARACTERS // 2], view_link(experiment_id, run_id))
        new[NOTE_TAG] = note if len(note) <= _MAX_CHARACTERS else short
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in new.items()], synchronous=True)


def find_view_link(client: MlflowClient, experiment_id: str, run_id: str) -> str | None:
    """Address of a sweep's view, behind that of MLflow's page; None where there is none."""
    tags = dict(client.get_experiment(experiment_id).tags)
    return view_link(experiment_id, run_id) if has_view(tags, run_id) else None
