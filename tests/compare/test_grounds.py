from dataclasses import replace

import pytest
from hand_worked import PLAIN, SOFT, sweep_of, trial

from fnmask.compare.grounds import ground_of, keep_apart, unequal_seeds, why_left_out, without_control
from fnmask.compare.loading import load_sweep
from fnmask.compare.report import build_report
from fnmask.compare.table import build_table

SHORT = {"trainer.epochs": "4", "optimizer.learning_rate": "0.01", "seed": "0", "lineage.numpy": "2"}
LONG = {**SHORT, "trainer.epochs": "8"}


def test_the_ground_is_what_a_result_depends_on():
    own = {
        **SHORT,
        "dataset.root": "/here",
        "trainer.eval_batch_size": "3",
        "loss.alpha": "0.5",
        "dataset.flips": "both",
    }
    told = ground_of(replace(trial(0, "a", SOFT, params=own), data="camvid 12ab"))
    assert told == {
        "trainer.epochs": "4",
        "optimizer.learning_rate": "0.01",
        "dataset.flips": "both",
        "training data": "camvid 12ab",
    }


def test_where_the_data_lies_moves_nothing_once_the_data_is_known():
    """The same set under another pattern is the same set; without a digest nobody can tell."""
    given = [trial(0, "a", SOFT, params={"dataset.images": place, **SHORT}) for place in ("images", "*/images")]
    assert ground_of(given[0]) != ground_of(given[1])
    first, second = (ground_of(replace(one, data="folder 12ab")) for one in given)
    assert first == second


def test_trials_of_another_budget_become_variants_of_their_own():
    given = [
        *(trial(seed, "plain", PLAIN, seed=seed, control="plain", params=SHORT) for seed in range(2)),
        *(trial(10 + seed, "soft", SOFT, seed=seed, params=SHORT) for seed in range(2)),
        replace(trial(20, "plain", PLAIN, control="plain", params=LONG), reference="long0"),
        replace(trial(21, "soft", SOFT, params=LONG), reference="long0"),
    ]
    found, notes = keep_apart(given)
    assert [one.variant for one in found] == ["plain", "plain", "soft", "soft", "plain · epochs=8", "soft · epochs=8"]
    assert notes == ["Kept apart, as variants of their own: 2 trials (plain, soft) with trainer.epochs 8 instead of 4."]
    # Each against the control that shares its budget: the longer one is worse, and is not mixed in.
    sweep = sweep_of(*found)
    rows = {row.variant: row for row in build_table(sweep, "test", resamples=20).rows}
    assert rows["soft · epochs=8"].deltas["target_iou"].mean == pytest.approx(100 * (30 / 55 - 1 / 2))
    assert rows["soft"].seeds == ("0", "1")


def test_the_same_settings_stay_unnamed_for_all_labels():
    """Plain has more trials of the short budget, soft of the long one."""
    given = [
        *(trial(seed, "plain", PLAIN, seed=seed, control="plain", params=SHORT) for seed in range(2)),
        trial(2, "plain", PLAIN, control="plain", params=LONG),
        *(trial(10 + seed, "soft", SOFT, seed=seed, params=LONG) for seed in range(3)),
        trial(13, "soft", SOFT, params=SHORT),
    ]
    found, notes = keep_apart(given)
    names = [one.variant for one in found]
    assert names == [*("plain · epochs=4",) * 2, "plain", *("soft",) * 3, "soft · epochs=4"]
    assert notes == ["Kept apart, as variants of their own: 3 trials (plain, soft) with trainer.epochs 4 instead of 8."]


def test_a_label_that_only_the_other_budget_has_is_named_by_it_too():
    """Else it would stand beside trials of another length as if it were one of them."""
    given = [
        *(trial(seed, "plain", PLAIN, seed=seed, control="plain", params=SHORT) for seed in range(5)),
        *(trial(5 + seed, "plain", PLAIN, seed=seed, control="plain", params=LONG) for seed in range(2)),
        *(trial(7 + seed, "hard", SOFT, seed=seed, params=LONG) for seed in range(2)),
        trial(9, "soft", SOFT, params=LONG),
    ]
    found, notes = keep_apart(given)
    names = [*("plain",) * 5, *("plain · epochs=8",) * 2, *("hard · epochs=8",) * 2, "soft · epochs=8"]
    assert [one.variant for one in found] == names
    told = "5 trials (plain, hard, soft) with trainer.epochs 8 instead of 4."
    assert notes == [f"Kept apart, as variants of their own: {told}"]


@pytest.mark.parametrize(
    ("label", "params"),
    [
        ("soft · epochs=8", LONG),
        ("soft · backbone=fpn", SHORT | {"backbone._target_": "fnmask.models.fpn", "backbone.width": "64"}),
        ("soft · focal gamma=2", SHORT | {"base._target_": "fnmask.losses.focal", "base.gamma": "2"}),
    ],
)
def test_what_a_search_has_put_into_a_label_is_not_said_again(label, params):
    plain = [trial(seed, "plain", PLAIN, seed=seed, control="plain", params=SHORT) for seed in range(2)]
    given = [*plain, *(trial(2 + seed, label, SOFT, seed=seed, params=params) for seed in range(2))]
    assert keep_apart(given) == (given, [])


def test_groups_that_begin_alike_are_told_apart_by_all_that_differs():
    """By settings of the same last word, or by others than the first three: two groups of one name would be one."""
    usual = {"trainer.epochs": "4"}
    many = usual | {f"augmentation.of_{place}": "1" for place in range(3)}
    others = [usual | {"base.gamma": "2"}, usual | {"label_noise.gamma": "2"}]
    others += [many | {"trainer.steps": steps} for steps in ("5", "6")]
    given = [trial(seed, "soft", SOFT, seed=seed, params=params) for seed, params in enumerate([usual, usual, *others])]
    found, notes = keep_apart(given)
    first = "augmentation.of_0=1, augmentation.of_1=1, augmentation.of_2=1"
    names = ["base.gamma=2", "label_noise.gamma=2", f"{first}, trainer.steps=5", f"{first}, trainer.steps=6"]
    assert [one.variant for one in found] == ["soft", "soft", *(f"soft · {name}" for name in names)]
    assert [note.rpartition("; ")[2] for note in notes[2:]] == [
        f"trainer.steps {n} instead of nothing." for n in (5, 6)
    ]


def test_equal_grounds_are_left_as_they_are():
    given = [trial(seed, "soft", SOFT, seed=seed, params={**SHORT, "seed": str(seed)}) for seed in range(3)]
    assert keep_apart(given) == (given, [])


def test_what_was_searched_names_variants_already():
    given = [
        trial(0, "soft lr=0.1", SOFT, params={"optimizer.learning_rate": "0.1"}),
        trial(1, "soft", SOFT, params=SHORT),
    ]
    assert keep_apart(given) == (given, [])


def test_a_missing_control_is_described_by_what_it_would_have_to_share():
    plain = trial(0, "plain", PLAIN, control="plain", params={"backbone.width": "8"})
    other = replace(trial(1, "soft", SOFT, params={"backbone.width": "16"}), reference="wide")
    assert without_control([plain, other], {plain.reference: plain}) == [
        "No plain control with seed 0, backbone.width 16: the differences of 1 trial (soft) are missing."
    ]
    assert without_control([other], {}) == [
        "No plain control with seed 0: the differences of 1 trial (soft) are missing."
    ]


def test_other_seeds_than_most_are_told():
    given = [
        trial(seed, name, SOFT, seed=seed) for name in ("a", "b", "c") for seed in range(3) if (name, seed) != ("c", 2)
    ]
    assert unequal_seeds(given) == [
        "Most variants have the seeds 0, 1, 2. Paired over those that they share with it: c: 0, 1."
    ]
    assert unequal_seeds(given[:6]) == []


def test_trials_on_other_images_are_left_out_with_the_reason():
    small = trial(0, "soft", SOFT, params={"dataset.image_size": "[64, 64]", "trainer.epochs": "2"})
    large = trial(1, "soft", SOFT, params={"dataset.image_size": "[96, 96]", "trainer.epochs": "3"})
    assert why_left_out([small], [large]) == [
        "Left out, since they were measured on other images: 1 trial (soft) with dataset.image_size [64, 64] instead "
        "of [96, 96]."
    ]
    assert "other images or labels" in why_left_out([replace(small, params=large.params)], [large])[0]


def test_a_control_of_an_earlier_sweep_is_kept_apart_too(store, add_trial):
    """Else both plain controls would be averaged in one row."""
    for study, epochs, names in (("a", 8, ["plain"]), ("b", 4, ["plain", "soft"]), ("c", 8, ["soft"])):
        parent = store.open_sweep(study=study, tags={}, params={})
        for number, name in enumerate(names):
            control, params = "plain" if name == "plain" else "", {"trainer": {"epochs": epochs}}
            add_trial(parent, number, name, PLAIN, control=control, params=params, reference=str(epochs))
    sweep = load_sweep(store, "b", "c")
    table = build_table(sweep, "test", resamples=20)
    assert {row.variant for row in table.rows} == {"plain", "soft", "plain · epochs=4", "soft · epochs=4"}
    assert sweep.notes == (
        "Kept apart, as variants of their own: 2 trials (soft, plain) with trainer.epochs 4 instead of 8.",
    )


def test_two_sweeps_of_other_budgets_from_the_store(store, add_trial):
    for study, epochs in (("short", 4), ("long", 8)):
        parent = store.open_sweep(study=study, tags={}, params={})
        for number, (name, matrix) in enumerate((("plain", PLAIN), ("soft", SOFT))):
            add_trial(
                *(parent, number, name, matrix),
                control="plain" if name == "plain" else "",
                params={"trainer": {"epochs": epochs}},
                reference=study,
            )
    sweep = load_sweep(store, "short", "long")
    assert [one.variant for one in sweep.trials] == ["plain", "plain · epochs=8", "soft", "soft · epochs=8"]
    assert sweep.notes == (
        "Kept apart, as variants of their own: 2 trials (plain, soft) with trainer.epochs 8 instead of 4.",
    )
    page = build_report(sweep, {"test": build_table(sweep, "test", resamples=20)}).html
    assert f"<li>{sweep.notes[0]}</li>" in page
