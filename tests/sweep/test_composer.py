"""The short way to a trial's config gives what Hydra's own way does, which takes a tenth of a second for each."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from fnmask.binding import ConfigError
from fnmask.hydra_errors import HYDRA_ERRORS
from fnmask.sweep.composer import Composer, fixed_settings, flatten, split_values

PRESET = ("+sweeps=quickstart", "loss=attenuate_fn", "dataset=camvid")


@pytest.fixture(scope="module")
def both(loader):
    """A function from overrides to the config of either way: as a container, or the complaint."""
    master = loader.load_configuration("config", ["+sweeps=quickstart"], RunMode.MULTIRUN)
    composer = Composer(loader, master)

    def attempt(compose, overrides):
        try:
            return OmegaConf.to_container(compose(list(overrides)), resolve=False)
        except HYDRA_ERRORS as error:
            return type(error), str(error)

    def compose_twice(*overrides):
        short = attempt(composer._compose, overrides)
        return short, attempt(lambda words: loader.load_sweep_config(master, words), overrides)

    return compose_twice


@pytest.mark.parametrize(
    "overrides",
    [
        PRESET,
        (*PRESET, "loss.alpha=0.3"),
        ("loss.alpha=0.3", *PRESET),
        ("loss.alpha=0.3", "loss=attenuate_fn"),
        ("loss=soften_fn", "loss/timing@loss=third", "loss.alpha=0.3"),
        ("study/pruner=hyperband", "trainer.epochs=3"),
        ("study/pruner=hyperband", "study.pruner.max_epochs=7", "trainer.epochs=3"),
        (*PRESET, "loss.target=[road,water]", "dataset.crop_size=[32,32]"),
        (*PRESET, "dataset.image_size.0=32"),
        (*PRESET, "loss.target='low plants'", "dataset.root='a,b=c'"),
        (*PRESET, 'loss.target="it\'s"', r"dataset.root='a\'b'"),
        (*PRESET, "loss.target=''", "dataset.root="),
        (*PRESET, "loss.target='null'", "loss.alpha=null", "dataset.root='1'"),
        (*PRESET, "dataset.root=${root}/x", "optimizer.learning_rate=1e-4"),
        (*PRESET, r"dataset.root='\${root}'"),
        (*PRESET, "loss.alpha=0x10", "trainer.jit_compile=yes", "optimizer.learning_rate=1_0.5"),
        (*PRESET, "loss.alpha=float(1)", "trainer.batch_size=int('2')", "loss.target=str(3)"),
        (*PRESET, "loss.alpha=???"),
        (*PRESET, "+study.directions={val/miou:maximize}", "study.seeds=2"),
        ("loss=plain", "study.directions={val/miou:maximize}", "study.seeds=2"),
        (*PRESET, "dataset.root=a@b", "tracking.experiment='a=b'"),
        (*PRESET, "seed=3", "loss.alpha=1"),
        (*PRESET, "hydra.job.name=abc", "loss.alpha=1"),
        (*PRESET, "hydra.sweep.subdir=abc", "loss.alpha=1"),
        (*PRESET, "hydra.verbose=true", "loss.alpha=1"),
    ],
    ids=" ".join,
)
def test_the_same_config(both, overrides):
    short, hydra = both(*overrides)
    assert isinstance(hydra, dict), hydra
    assert short == hydra


@pytest.mark.parametrize(
    "overrides",
    [
        ("+loss.extra=1",),
        ("+loss.extra=1", "loss.extra=2"),
        ("~loss.alpha",),
        ("loss.alpha=2", "~loss.alpha"),
        ("~loss.alpha", "+loss.alpha=2"),
        ("++loss.alpha=1",),
        ("++loss.alpha=1", "loss.alpha=2"),
        ("loss.alpha=2", "++loss.alpha=1"),
        ("++loss.extra=1", "+loss.other=2", "loss.alpha=3"),
        ("loss.alpha=1", "loss.alpha=2"),
        ("loss.target=[road,water]", "loss.target=road"),
        ("loss.target=road", "loss.target=[road,water]"),
        ("dataset.root=y", "dataset.root=${root}/x"),
        ("dataset.root=${root}/x", "dataset.root=y"),
        ("dataset.image_size=[32,32]", "dataset.image_size.0=64"),
        ("dataset.image_size.0=64", "dataset.image_size=[32,32]"),
        ("study.when={a:{b:[1]}}", "study.when.a=null"),
    ],
    ids=" ".join,
)
def test_the_same_config_where_the_order_counts(both, overrides):
    short, hydra = both(*PRESET, *overrides)
    assert isinstance(hydra, dict), hydra
    assert short == hydra


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss.alhpa=1",),
        ("loss.alpha=1", "loss.alhpa=1"),
        ("nothing=2", "loss.alpha=1"),
        ("nothing.at.all=2",),
        ("loss.alpha.x=1",),
        ("loss=no_such_loss", "loss.alpha=1"),
        ("no_such_group=2",),
        ("+loss.alpha=1",),
        ("+loss.alpha=1", "loss.alpha=2"),
        ("~loss.alpha", "loss.alpha=2"),
        ("~loss.nothing",),
        ("~loss", "loss.alpha=1"),
        ("study.when.a=null", "study.when={a:{b:[1]}}"),
        ("loss.alpha=1,2",),
        ("hydra.job.num=abc",),
    ],
    ids=" ".join,
)
def test_the_same_complaint(both, overrides):
    short, hydra = both("+sweeps=quickstart", *overrides)
    assert isinstance(hydra, tuple), hydra
    assert short == hydra


VALUES = {
    "loss.alpha": ["0.5", "1", "null", "[1,2]"],
    "loss.target": ["road", "[road,water]", "'a b'", "${dataset.root}"],
    "dataset.root": ["x", "'${root}'", "null", "1"],
    "trainer.epochs": ["3", "4"],
}


# Composing twice takes a fifth of a second: a failing case is shown as it was found.
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.permutations([f"{key}={value}" for key, values in VALUES.items() for value in values]),
    st.integers(1, 6),
    st.lists(st.sampled_from(["loss=soften_fn", "+sweeps=quickstart", "seed=2", "weighting=none"]), unique=True),
    st.booleans(),
    st.sampled_from(["", "++", "+", "~"]),
)
def test_any_overrides_in_any_order(both, texts, count, options, options_first, sign):
    texts = texts[:count]
    if sign:
        texts = [*texts[1:], sign + (texts[0].partition("=")[0] if sign == "~" else texts[0])]
    options = ["dataset=camvid", *options]
    short, hydra = both(*((*options, *texts) if options_first else (*texts, *options)))
    # Of several faults either may be named.
    assert short == hydra or isinstance(short, tuple) == isinstance(hydra, tuple) is True


def test_a_config_that_was_handed_out_is_nobodys_else(loader):
    composer = Composer(loader, loader.load_configuration("config", [], RunMode.MULTIRUN))
    first = composer.compose(["loss.alpha=0.25"], job_number=3, folder="sweep/3")
    first.loss.alpha = 9
    second = composer.compose(["loss.alpha=0.5"], job_number=4, folder="sweep/4")
    assert (second.loss.alpha, second.hydra.job.num, second.hydra.job.id) == (0.5, 4, "4")
    assert second.hydra.sweep.subdir == "sweep/4"
    assert composer.compose([]).loss.alpha not in (0.25, 0.5, 9)


def test_hydra_is_asked_once_for_the_options_of_many_values(loader):
    composer = Composer(loader, loader.load_configuration("config", [], RunMode.MULTIRUN))
    for place in range(5):
        # A root is missing until it is given.
        words = ["loss=attenuate_fn", f"loss.alpha=0.{place}", "dataset=camvid", "dataset.root=x"]
        assert composer.compose(words).loss.alpha == place / 10
    assert list(composer._composed) == [("loss=attenuate_fn", "dataset=camvid")]


def test_values_are_split_from_what_only_hydra_can_apply():
    texts = ("loss=a", "loss.alpha=1", "loss.target='a b'", "x.y=[1]", "x.y=2", "+z.z=1", "a.b=${c}", "hydra.job.x=1")
    options, values = split_values(texts)
    assert values == {"loss.alpha": 1, "loss.target": "a b"}
    assert options == ("loss=a", "x.y=[1]", "x.y=2", "+z.z=1", "a.b=${c}", "hydra.job.x=1")


def test_unknown_keys_are_explained(composer):
    with pytest.raises(ConfigError) as caught:
        composer().compose(["loss.alpha=0.5", "loss.taget=road"])
    (fault,) = caught.value.faults
    assert fault.startswith("loss.taget: unknown key. Did you mean loss.target? Allowed: ")


def test_an_override_outside_the_grammar_is_explained(composer):
    with pytest.raises(ConfigError):
        composer().compose(["loss.alpha=[1"])


@pytest.mark.parametrize(
    ("fixed", "own", "kept"),
    [
        # The control's own loss replaces the sweep's, and what that loss lacks goes with it.
        (["loss=soften_fn", "loss.alpha=0.5", "seed=1"], ["loss=plain"], ("seed=1", "loss=plain")),
        (["loss.target=water"], ["loss=class_downweight"], ("loss.target=water", "loss=class_downweight")),
        (["loss/timing@loss=third", "trainer.epochs=3"], ["loss=plain"], ("trainer.epochs=3", "loss=plain")),
        (["weighting=inverse"], ["loss=plain"], ("weighting=inverse", "loss=plain")),
        ([], ["loss=plain"], ("loss=plain",)),
    ],
)
def test_what_a_control_keeps_of_a_sweep(composer, fixed, own, kept):
    assert composer().control(fixed, own) == kept


def test_settings_are_flat_and_without_what_moves_no_number(composer):
    found = fixed_settings(composer().compose(["trainer.epochs=3", "dataset=camvid", "dataset.root=/x"]))
    assert found["trainer.epochs"] == 3
    assert found["loss.target"] == "road"
    assert not {key for key in found if key.split(".")[0] in ("hydra", "study", "tracking", "root")}
    assert "dataset.root" not in found
    assert flatten({"a": {"b": 1, "c": [2]}, "d": {}}) == {"a.b": 1, "a.c": [2]}


def test_overrides_are_hydras_or_the_tasks(both):
    short, _ = both(*PRESET, "loss.alpha=1", "hydra.job.name=abc")
    assert short["hydra"]["overrides"]["task"] == [*PRESET, "loss.alpha=1"]
    assert short["hydra"]["overrides"]["hydra"] == ["hydra.job.name=abc"]
    assert (
        short["hydra"]["job"]["override_dirname"] == "+sweeps=quickstart,dataset=camvid,loss.alpha=1,loss=attenuate_fn"
    )
    assert OverridesParser.create().parse_override("hydra.job.name=abc").is_hydra_override()
