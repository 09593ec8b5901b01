"""docs/losses.md: its Python runs, its calls are options of the config; and no page points at what is missing."""

import contextlib
import importlib
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fnmask import losses
from fnmask.losses import bases

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = (DOCS / "losses.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *DOCS.glob("*.md")]
OPTIONS = sorted(path.stem for path in (ROOT / "conf" / "loss").glob("*.yaml"))

# Heading of each variant -> what stands below it.
SECTIONS = dict(re.findall(r"^### V\S+ `(\w+)`\n(.*?)(?=^##)", PAGE, flags=re.MULTILINE | re.DOTALL))


def blocks(text):
    """The Python of a page, each block after as many empty lines as stand before it, so that errors name their line."""
    for found in re.finditer(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        yield "\n" * text.count("\n", 0, found.start(1)) + found.group(1)


def run(text, names):
    for code in blocks(text):
        exec(compile(code, str(DOCS / "losses.md"), "exec"), names)
    return names


def test_the_python_runs_in_order():
    names = run(PAGE, {})
    assert np.isfinite(names["history"].history["val_loss"]).all()


@pytest.mark.parametrize("option", OPTIONS)
def test_a_call_is_its_option(option):
    node = yaml.safe_load((ROOT / "conf" / "loss" / f"{option}.yaml").read_text())
    module, _, name = node["_target_"].rpartition(".")
    numbers = {key: value for key, value in node.items() if key not in ("_target_", "defaults", "target")}
    if option == "confusions":
        numbers["confusions"] = {2: {0: 0.2, 1: 0.0}}
    else:
        numbers["target"] = 2
    spec = getattr(importlib.import_module(module), name)(num_classes=4, **numbers)
    regions = option in ("region_fn", "class_tversky")
    base = bases.dice(smoothing=0.0) if regions else bases.crossentropy(label_smoothing=None, normalizer="valid")
    expected = losses.build_loss(spec, base, class_weights=np.ones(4), ignore_class=None)
    written = run(SECTIONS[option], {"losses": losses})["loss"]
    assert type(written) is type(expected)
    assert written.get_config() == expected.get_config()


def written_overrides():
    """Every `dataset.root=PATH` of the pages, in a line of code or in passing, as a shell hands it over."""
    groups = "|".join(path.name for path in (ROOT / "conf").iterdir())
    for page in PAGES:
        text = re.sub(r" \\\n\s*", " ", page.read_text(encoding="utf-8"))
        for code in re.findall(r"`([^`\n]+)`|^ {4}(.*)$", text, flags=re.MULTILINE):
            with contextlib.suppress(ValueError):  # no shell command
                for word in shlex.split("".join(code), comments=True):
                    if re.match(rf"({groups})(\.[\w.]+)?=[^<]", word):
                        yield page.name, word


def test_hydra_reads_what_the_pages_tell_to_write():
    """Braces and parentheses, of patterns and regular expressions, need quotes of their own."""
    words = list(written_overrides())
    assert len(words) > 150
    for page, word in words:
        try:
            OverridesParser.create().parse_override(word)
        except HydraException as error:
            pytest.fail(f"{page}: {word}: {error}")


def test_every_option_has_its_section_and_its_picture(monkeypatch):
    assert sorted(SECTIONS) == OPTIONS
    for option, text in SECTIONS.items():
        assert f"![{option}](img/losses/{option}.png)" in text
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    assert sorted(importlib.import_module("pictured_losses").PICTURES) == OPTIONS


@pytest.mark.parametrize("group", ["base", "weighting"])
def test_every_base_and_weighting_is_named(group):
    for path in (ROOT / "conf" / group).glob("*.yaml"):
        assert re.search(rf"^\| .*`{path.stem}`", PAGE, flags=re.MULTILINE), path.stem


NAMED = sorted(path.stem for path in (ROOT / "fnmask" / "data" / "named").glob("*.py"))
NAMED = [name for name in NAMED if (ROOT / "conf" / "dataset" / f"{name}.yaml").is_file()]


@pytest.mark.parametrize("name", NAMED)
def test_a_public_data_set_is_documented_as_it_is_read(name):
    page = (DOCS / "data_sets.md").read_text(encoding="utf-8")
    node = yaml.safe_load((ROOT / "conf" / "dataset" / f"{name}.yaml").read_text(encoding="utf-8"))
    module, _, reader = node["_target_"].rpartition(".")
    facts = getattr(importlib.import_module(module), reader).facts
    (row,) = re.findall(rf"^\| `{name}` \|(.*)\|$", page, flags=re.MULTILINE)
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[1] == str(len(facts.classes.names))
    assert re.findall(r"\d+", cells[3]) == [str(count) for count in facts.official.values()]
    assert cells[4] == facts.licence
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    for told in (facts.title, facts.homepage, facts.citation, facts.get, f"On disk: `{facts.layout}`.", facts.splits):
        assert told in section
    assert f"    fnmask data prepare {name} --from " in section
    assert f"    python train.py dataset={name} dataset.root=datasets/{name}" in section


def test_every_public_data_set_is_one_of_those():
    assert len(NAMED) == 10


def anchors_of(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors_of(there), target
    for name in re.findall(r"`(docs/\w+\.md|benchmarks/\w+\.py|tests/[\w/]+\.py)`", text):
        assert (ROOT / name).is_file(), name


def test_pictures_are_small():
    sizes = [path.stat().st_size for path in (DOCS / "img" / "losses").iterdir()]
    assert max(sizes) < 40_000
    assert sum(sizes) < 700_000
