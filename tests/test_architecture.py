"""Who may import whom, read from the source; and what starts without TensorFlow, seen in a process of its own."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fnmask

PACKAGE = Path(fnmask.__file__).parent
MODULES = {
    ".".join(("fnmask", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

SIBLINGS = ("losses", "metrics", "data", "models", "tracking")

# Part of the package -> the parts that it may import. What is not named here may not be imported; itself always.
MAY_IMPORT = {
    "fnmask": (),
    "shapes": (),
    "presets": (),
    "progress": (),
    "backend": (),
    "compiled": (),
    "losses": ("shapes", "compiled"),
    "metrics": ("shapes", "compiled"),
    "data": ("shapes",),
    "models": ("shapes",),
    "tracking": ("shapes",),
    # Level 2: configs. What it binds to is imported by path, except for the types that it names.
    "binding": (),
    "class_names": ("binding",),
    "hydra_errors": ("binding",),
    "schema": (),
    "loss_nodes": ("binding", "class_names", "shapes", "losses.bases", "losses.spec", "losses.weighting"),
    "frozen_features": ("schema",),
    "data_nodes": ("binding", "schema", "data.label_noise", "data.source"),
    "config": (
        "binding",
        "data_nodes",
        "frozen_features",
        "schema",
        "loss_nodes",
        "losses.spec",
        "metrics.readings",
        "data.label_noise",
        "data.source",
    ),
    # The data alone: checked, and shown; beside the sources it reads nothing.
    "check": ("data",),
    "checked": ("binding", "check", "config", "schema"),
    # Level 3: one trial; and the comparison, which reads.
    "outcomes": ("binding", "tracking.tracker"),
    "engine": (*SIBLINGS, "compiled"),
    "course": ("binding", "config", "data", "engine", "losses", "schema"),
    "workbench": (*SIBLINGS, "binding", "checked", "config", "course", "frozen_features", "schema", "engine"),
    "result": ("config", "metrics.readings", "tracking.tracker"),
    "fit": (*SIBLINGS, "config", "course", "engine", "result", "workbench"),
    "matrix_files": ("metrics.readings", "tracking"),
    "trial_files": (*SIBLINGS, "config", "engine", "fit", "matrix_files", "workbench"),
    "trial": ("config", "fit", "result", "tracking.tracker", "trial_files", "workbench"),
    # Neither trains: what trains is handed to it.
    "run_notes": ("config", "metrics.readings", "tracking.passwords"),
    "recording": ("checked", "config", "losses.spec", "outcomes", "result", "run_notes", "tracking"),
    "open_store": ("binding", "config", "tracking"),
    "compare": ("tracking", "metrics.margins", "metrics.readings"),
    # What was trained, put to use.
    "project": ("tracking.passwords",),
    "decision": ("binding",),
    "inference": (*SIBLINGS, "backend", "binding", "config", "data_nodes", "decision", "matrix_files", "project"),
    # Public data sets from their publishers' archives.
    "prepare": ("data",),
    "prepare_command": ("prepare", "presets"),
    # Level 4: a sweep. First what knows nothing of the others: words, numbers, processes.
    "sweep.grammar": ("binding", "hydra_errors"),
    "sweep.dominance": (),
    "sweep.seeds": ("sweep.dominance",),
    "sweep.warmth": (),
    "sweep.constraints": ("binding",),
    "sweep.interruption": (),
    "sweep.machine": (),
    "sweep.heartbeat": (),
    "sweep.storage": ("binding",),
    "sweep.locks": ("binding", "sweep.machine", "sweep.storage"),
    # Then the study, and what is decided by it alone.
    "sweep.study": ("binding", "sweep.storage"),
    "sweep.recovery": ("sweep.machine", "sweep.storage", "sweep.study"),
    "sweep.claims": ("sweep.grammar", "sweep.machine", "sweep.recovery", "sweep.storage", "sweep.study"),
    "sweep.best_known": ("sweep.dominance", "sweep.study"),
    "sweep.snapshot": ("sweep.dominance", "sweep.study"),
    "sweep.monitor": ("progress", "sweep.snapshot", "sweep.study"),
    "sweep.space": ("binding", "sweep.grammar"),
    "sweep.space_reader": ("binding", "hydra_errors", "sweep.grammar", "sweep.space"),
    "sweep.samplers": ("sweep.claims", "sweep.space", "sweep.storage", "sweep.study"),
    "sweep.pruners": ("binding", "sweep.dominance", "sweep.storage"),
    # Then the plan.
    "sweep.composer": ("config", "hydra_errors", "sweep.grammar"),
    "sweep.narrowing": ("sweep.grammar",),
    "sweep.controls": ("binding", "config", "schema", "sweep.composer", "sweep.grammar", "sweep.space", "sweep.study"),
    "sweep.preflight": (
        *("binding", "config", "schema", "sweep.composer", "sweep.grammar", "sweep.samplers", "sweep.space"),
    ),
    "sweep.plan": (
        *("binding", "config", "schema"),
        *(
            "sweep.composer",
            "sweep.constraints",
            "sweep.controls",
            "sweep.grammar",
            "sweep.narrowing",
            "sweep.preflight",
        ),
        *("sweep.pruners", "sweep.samplers", "sweep.space", "sweep.space_reader", "sweep.study"),
    ),
    "sweep.wording": ("metrics.readings", "sweep.plan", "sweep.study", "tracking.runs_view"),
    "sweep.probe": ("backend", "course", "fit", "progress", "workbench", "sweep.plan"),
    # Then what runs it.
    "sweep.open_study": (
        *("binding", "sweep.locks", "sweep.machine", "sweep.plan", "sweep.recovery", "sweep.storage", "sweep.study"),
    ),
    "sweep.begin": (
        *("config", "open_store", "tracking"),
        *("sweep.best_known", "sweep.claims", "sweep.composer", "sweep.controls", "sweep.locks", "sweep.machine"),
        *("sweep.open_study", "sweep.plan", "sweep.recovery", "sweep.storage", "sweep.study", "sweep.wording"),
    ),
    "sweep.trial_report": (
        *("config", "outcomes", "result", "sweep.dominance", "sweep.pruners", "sweep.seeds", "sweep.study"),
    ),
    "sweep.training": (
        *("config", "losses.spec", "outcomes", "recording", "result", "tracking"),
        *("sweep.begin", "sweep.claims", "sweep.controls", "sweep.interruption", "sweep.study", "sweep.trial_report"),
    ),
    "sweep.worker": (
        *("config", "outcomes", "recording", "result", "tracking"),
        *("sweep.begin", "sweep.claims", "sweep.composer", "sweep.controls", "sweep.heartbeat", "sweep.interruption"),
        *(
            "sweep.machine",
            "sweep.recovery",
            "sweep.samplers",
            "sweep.storage",
            "sweep.study",
            "sweep.training",
            "sweep.trial_report",
            "sweep.warmth",
        ),
    ),
    "sweep.join": (
        *("backend", "result", "trial", "workbench"),
        *("sweep.begin", "sweep.interruption", "sweep.locks", "sweep.worker"),
    ),
    "sweep.launch": (
        *("binding", "sweep.begin", "sweep.composer", "sweep.interruption", "sweep.join", "sweep.locks", "sweep.plan"),
    ),
    # Level 5: entries.
    "sweep.plugin": ("sweep.sweeper",),
    "sweep.sweeper": (
        *("backend", "binding", "checked", "compare", "project"),
        *("sweep.begin", "sweep.composer", "sweep.interruption", "sweep.join", "sweep.launch", "sweep.locks"),
        *("sweep.machine", "sweep.monitor", "sweep.open_study", "sweep.plan", "sweep.probe", "sweep.storage"),
        *("sweep.study", "sweep.wording", "tracking.passwords"),
    ),
    "repeat": ("binding", "config", "metrics.confusion", "result", "tracking"),
    "single": (
        *("backend", "checked", "config", "open_store", "progress", "recording", "repeat", "tracking", "trial"),
        "workbench",
    ),
    "train": ("binding", "config", "hydra_errors", "presets", "single", "sweep.plugin"),
    "worker_command": (
        *("binding", "presets", "train"),
        *("sweep.begin", "sweep.composer", "sweep.grammar", "sweep.interruption", "sweep.join", "sweep.launch"),
        *("sweep.locks", "sweep.monitor", "sweep.open_study", "sweep.plan", "sweep.plugin", "sweep.storage"),
        *("sweep.study", "sweep.sweeper"),
    ),
    "check_command": ("binding", "check", "config", "train"),
    "show_command": ("binding", "check", "config", "data.augment", "train"),
    "data_commands": (),
    "cli": ("compare", "data_commands", "inference.commands", "project", "tracking", "train", "worker_command"),
    "__main__": ("cli",),
}

# Third party -> where it may be imported.
CONFINED = {
    "optuna": ("sweep", "compare.importance"),
    "fcntl": ("engine.disk", "sweep.locks", "tracking.mlflow_client"),
    "signal": ("sweep.interruption",),
    "mlflow": ("tracking.mlflow_client", "tracking.logged_model", "inference.served_model"),
    "sqlalchemy": (
        "tracking.mlflow_tables",
        *("tracking.passwords", "sweep.storage", "sweep.locks", "sweep.heartbeat", "sweep.monitor", "sweep.begin"),
        "sweep.sweeper",
    ),
    "hydra": ("train", "hydra_errors", "sweep", "worker_command"),
    "omegaconf": ("train", "config", "hydra_errors", "repeat", "single", "sweep"),
    "pydantic": ("binding", "schema"),
    "segmentation_models": ("models",),
    "rasterio": ("data.rasters",),
    "pycocotools": ("data.annotations.coco",),
    "defusedxml": ("data.annotations.cvat",),
    "tensorflow_datasets": ("data.tfds",),
    "tensorflow": ("models", "engine", "workbench", "backend", "compiled", "inference.export"),
    "jax": ("compiled",),
    "keras": (
        *("shapes", "compiled", "backend", "losses", "metrics", "models", "engine", "course", "workbench"),
        *("inference.export", "inference.served_model"),
    ),
    "onnxruntime": ("inference.export",),
    "rich": (
        "progress",
        "single",
        "cli",
        "compare",
        "inference.commands",
        "check",
        "check_command",
        "prepare_command",
        "sweep.sweeper",
        "sweep.monitor",
        "worker_command",
    ),
    "plotly": ("compare",),
    "cv2": ("data.augment", "data.reading", "metrics.full_size"),
    "scipy": ("compare", "check", "data.label_noise"),
}


def imports_of(name, *, at_import_time=False):
    """Dotted names that a module imports; only those that run when it is imported, or all."""
    tree = ast.parse(MODULES[name].read_text())
    if at_import_time:
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for part in ast.walk(node)}
        # `if TYPE_CHECKING:` never runs.
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                inside |= {id(part) for statement in node.body for part in ast.walk(statement)}
    else:
        inside = set()
    found = set()
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            found |= {origin(node.module, alias.name) for alias in node.names}
    return found


def origin(module, name):
    """The module that `from module import name` is about."""
    if f"{module}.{name}" in MODULES:
        return f"{module}.{name}"
    if module in ("fnmask.losses", "fnmask.metrics"):
        # These fetch what is asked for from their modules, and load no other.
        return getattr(importlib.import_module(module), name).__module__
    return module


def part_of(module):
    """The entry of MAY_IMPORT that a module of the package falls under."""
    own = module.removeprefix("fnmask.")
    return own if own in MAY_IMPORT else own.partition(".")[0]


def is_below(module, allowed):
    return any(module == part or module.startswith(f"{part}.") for part in allowed)


def test_every_part_has_a_place():
    assert {part_of(name) for name in MODULES} - {"sweep"} == set(MAY_IMPORT)
    assert set(MODULES) >= {"fnmask", "fnmask.config", "fnmask.losses", "fnmask.sweep.study"}


def test_the_table_has_no_circle():
    order = []
    waiting = {
        part: {other if other in MAY_IMPORT else other.partition(".")[0] for other in below}
        for part, below in MAY_IMPORT.items()
    }
    while waiting:
        ready = [part for part, below in waiting.items() if below <= set(order)]
        assert ready, f"a circle among {sorted(waiting)}"
        order += ready
        waiting = {part: below for part, below in waiting.items() if part not in ready}


@pytest.mark.parametrize("name", MODULES)
def test_layers(name):
    part = part_of(name)
    for imported in imports_of(name):
        if imported.partition(".")[0] != "fnmask" or imported == "fnmask" or part_of(imported) == part:
            continue
        assert is_below(imported.removeprefix("fnmask."), MAY_IMPORT[part]), f"{name} imports {imported}"


@pytest.mark.parametrize("name", MODULES)
def test_third_parties_stay_where_they_belong(name):
    own = name.removeprefix("fnmask.")
    for imported in imports_of(name):
        allowed = CONFINED.get(imported.partition(".")[0])
        assert allowed is None or is_below(own, allowed), f"{name} imports {imported}"


def test_modules_that_configs_name_import_no_backend():
    """Directly or through others: else a typing mistake would be answered after the seconds that TensorFlow takes."""
    waiting = [
        "fnmask.train",
        "fnmask.cli",
        "fnmask.data.aerial",
        "fnmask.data.named.camvid",
        "fnmask.data.named.dubai",
    ]
    waiting += ["fnmask.losses.variants", "fnmask.losses.weighting", "fnmask.models.tiny", "fnmask.models.segmentation"]
    # The sweeper takes up a finished sweep without it; and whoever brings another trainer brings another backend.
    waiting += ["fnmask.sweep.sweeper", "fnmask.sweep.worker", "fnmask.sweep.join", "fnmask.worker_command"]
    seen = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for imported in imports_of(name, at_import_time=True):
            assert imported.partition(".")[0] not in ("tensorflow", "keras", "segmentation_models"), name
            if imported in MODULES and imported not in seen:
                waiting.append(imported)
    assert "fnmask.config" in seen


def test_compare_names_no_backend_at_all():
    for name in MODULES:
        if name.startswith("fnmask.compare"):
            assert not {item.partition(".")[0] for item in imports_of(name)} & {"tensorflow", "keras"}


def test_no_file_is_called_after_nothing():
    assert not {path.stem for path in MODULES.values()} & {"utils", "helpers", "common", "misc", "base", "core"}


# Runs a program under its own name and then says what it loaded.
WATCH = """
import runpy, sys
kind, program, *words = sys.argv[1:]
sys.argv = [program, *words]
code = 0
try:
    (runpy.run_path if kind == "path" else runpy.run_module)(program, run_name="__main__")
except SystemExit as left:
    code = left.code or 0
loaded = sorted({"tensorflow", "keras", "mlflow", "numpy", "pydantic", "rich"} & set(sys.modules))
print("code", code, "loaded", *loaded)
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["path", "train.py", "--help"], "python train.py --multirun +sweeps=quickstart"),
        (["path", "train.py", "--cfg", "job"], "_target_: fnmask.losses.variants.soften_false_negatives"),
        (["path", "train.py", "--info", "plugins"], "FnmaskSweeper"),
        (["path", "train.py", "--info"], "Config search path"),
        (["module", "fnmask", "compare", "--help"], "--sweep NAME|RUN_ID"),
        (["module", "fnmask", "--help"], "compare"),
        (["module", "fnmask", "worker", "--help"], "--study NAME"),
        (["module", "fnmask", "predict", "--help"], "--run RUN_ID"),
        (["module", "fnmask", "export", "--help"], "savedmodel"),
        (["module", "fnmask", "data", "--help"], "check"),
        (["module", "fnmask", "data", "check", "--help"], "dataset=camvid dataset.root=PATH"),
        (["module", "fnmask", "data", "show", "--help"], "page.html or picture.png"),
        (["module", "fnmask", "data", "--help"], "prepare"),
        (["module", "fnmask", "data", "prepare", "--help"], "--from ARCHIVE|URL"),
        (["module", "fnmask", "data", "prepare", "cityscapes"], "log in, and download"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_starts_without_a_backend(words, told, request):
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *words],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[:3] == ["code", "0", "loaded"], done.stderr
    assert told in done.stdout
    assert not {"tensorflow", "keras"} & set(last[3:])
    # Reading --help must not wait for MLflow either.
    assert "mlflow" not in last[3:]
    # Hydra answers these alone; it finds plugins of others by importing them.
    assert words[1] != "train.py" or not {"numpy", "pydantic"} & set(last[3:])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["path", "train.py", "-m", "+sweeps=quickstart", "study.n_workers=2"], "hydra/launcher=joblib"),
        (["path", "train.py", "-m", "+sweeps=quickstart", "loss.target=raod"], "Did you mean road?"),
        (["module", "fnmask", "worker", "--study", "none"], "study.storage: there is no database"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_a_sweep_that_is_refused_is_answered_without_a_backend(words, told, request, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *words],
        cwd=request.config.rootpath,
        env={**os.environ, "FNMASK_STORAGE": f"sqlite:///{tmp_path}/optuna.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1].split()[:2] == ["code", "2"], done.stderr
    assert done.stderr.startswith("Nothing was trained.\n")
    assert told in done.stderr
    assert not {"tensorflow", "keras", "mlflow"} & set(done.stdout.splitlines()[-1].split()[3:])


def test_import_fnmask_loads_nothing_heavy():
    heavy = "{'tensorflow', 'keras', 'mlflow', 'optuna', 'hydra', 'numpy'} & set(sys.modules)"
    code = f"import sys, fnmask; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
