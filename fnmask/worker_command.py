"""`fnmask worker`: a worker in any shell or container, which finds all it needs in the study."""

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.types import HydraContext, RunMode
from rich.console import Console

from fnmask.binding import ConfigError
from fnmask.presets import conf_dir, project_root
from fnmask.sweep.begin import join
from fnmask.sweep.composer import Composer
from fnmask.sweep.grammar import override_of_setting
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import close_if_last, train_here
from fnmask.sweep.launch import share_machine
from fnmask.sweep.locks import StudyBusyError
from fnmask.sweep.monitor import SweepMonitor
from fnmask.sweep.open_study import load_study, open_study_storage
from fnmask.sweep.plan import make_plan
from fnmask.sweep.plugin import register
from fnmask.sweep.storage import open_storage, storage_url
from fnmask.sweep.study import ARGUMENTS, BUDGET
from fnmask.sweep.sweeper import EXIT_CODES, REFUSED
from fnmask.train import register_resolvers


def work(
    study_name: str, storage: str | None, overrides: Sequence[str], *, index: int | None, config_dir: Path | None
) -> int:
    """Run trials until the sweep's budget is finished.

    Args:
        study_name: of a sweep that has begun.
        storage: Optuna storage; None for the project's own SQLite database.
        overrides: what differs here from the sweep's own command line, such as `dataset.root=PATH`.
        index: number of this worker, for its GPU and its sampler; None: any.
        config_dir: more config files.

    Returns:
        The exit code, as of a sweep.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    register_resolvers()
    register()
    console = Console()
    try:
        url = storage_url(storage, project_root())
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
            raise ConfigError([f"study.storage: there is no database {url.database}. Begin a sweep first."])
        storage_here = open_storage(url, heartbeat_s=10, on_stale=lambda *_: None)
        study = load_study(storage_here, study_name)
        # Hydra keeps a copy of what is composed, which must not hold a password.
        os.environ["FNMASK_STORAGE"] = url.render_as_string(hide_password=False)
        arguments = [*study.user_attrs[ARGUMENTS], *overrides, "study.storage='${oc.env:FNMASK_STORAGE}'"]
        # A name that follows from the settings must not lead an override to another study.
        arguments.append(override_of_setting("study.name", study_name))
        storage_here.engine.dispose()
        context, composer = _compose_from(config_dir, arguments)
        plan = make_plan(composer, arguments, with_options=False)
        if index is not None:
            share_machine(index, 1)
        else:  # in a container every process has the same number
            index = secrets.randbelow(2**31)
        watched = load_study(open_study_storage(plan), study_name)
        monitor = SweepMonitor(
            watched, directions=plan.study.directions, n_trials=study.user_attrs[BUDGET], console=console
        )
        begun = join(plan, composer)
        with monitor, Interruption() as interruption:
            verdict = train_here(begun, context, interruption=interruption, index=index)
        close_if_last(begun)
    except (ConfigError, StudyBusyError) as error:
        print(f"Nothing was trained.\n{error}", file=sys.stderr)
        return REFUSED
    why = (
        " It was stopped, or this worker was; train.py --multirun begins it again." if verdict == "interrupted" else ""
    )
    print(f"Sweep {study_name}: {verdict}. This worker leaves.{why}")
    return EXIT_CODES[verdict]


def _compose_from(config_dir: Path | None, arguments: Sequence[str]) -> tuple[HydraContext, Composer]:
    """What Hydra hands to a sweeper, without its command line."""
    search_path = create_config_search_path(str(conf_dir()))
    if config_dir is not None:
        search_path.append("command-line", f"file://{config_dir.resolve()}")
    loader = ConfigLoaderImpl(search_path)
    master = loader.load_configuration("config", list(arguments), RunMode.MULTIRUN)
    return HydraContext(config_loader=loader, callbacks=Callbacks()), Composer(loader, master)
