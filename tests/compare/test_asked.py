from dataclasses import replace

import pytest
from hand_worked import DOWN, PLAIN, SOFT, sweep_of, trial

from fnmask.compare.asked import compared_with, judged_by
from fnmask.compare.comparison import write_comparison
from fnmask.compare.grounds import without_control
from fnmask.compare.report import build_report
from fnmask.compare.table import build_table
from fnmask.compare.terminal import comparison_text
from fnmask.compare.verdict import verdict
from fnmask.compare.verdict_note import verdict_note


def sweep():
    return sweep_of(
        *(trial(seed, "plain", PLAIN, seed=seed, control="plain") for seed in range(3)),
        *(trial(10 + seed, "down road", DOWN, seed=seed, control="class_downweight") for seed in range(3)),
        *(trial(20 + seed, "soft road", SOFT, seed=seed) for seed in range(3)),
        *(trial(30 + seed, "soft road alpha=1", PLAIN, seed=seed) for seed in range(2)),
    )


def rows(table):
    return {row.variant: row for row in table.rows}


def test_differences_are_taken_against_the_variant_that_is_asked_for():
    other = compared_with(sweep(), "class_downweight")
    found = rows(build_table(other, "test", resamples=50))
    # IoU of the road: plain 40/80, down 20/60, soft 30/55; of the land 80/110, 90/130, 95/120; of the car 40/50, 1, 1.
    assert found["soft road"].deltas["target_iou"].mean == pytest.approx(100 * (30 / 55 - 20 / 60))
    assert found["plain"].deltas["target_iou"].mean == pytest.approx(100 * (40 / 80 - 20 / 60))
    gain = 100 * ((95 / 120 + 1) / 2 - (90 / 130 + 1) / 2)
    assert found["soft road"].deltas["others_gain"].mean == pytest.approx(gain)
    assert found["down road"].deltas["others_gain"].mean == 0
    assert found["soft road"].values["target_iou"].mean == pytest.approx(100 * 30 / 55)
    assert build_table(other, "test", resamples=50).rows[0].variant == "down road"
    # Against plain it was another number.
    assert rows(build_table(sweep(), "test", resamples=50))["soft road"].deltas["target_iou"].mean == pytest.approx(
        100 * (30 / 55 - 40 / 80)
    )


def test_every_word_says_what_is_compared_with():
    other = compared_with(sweep(), "down")
    table = build_table(other, "test", resamples=50)
    assert "against down road, 3 seeds" in verdict(other, table)[0]
    text = comparison_text(other, table)
    assert "points against down road of the same" in " ".join(text.split())
    assert "the plain control" not in text
    page = build_report(other, {"test": table}).html
    assert "<dt>compared with</dt><dd>down road</dd>" in page


def test_who_has_no_partner_has_no_difference():
    # Two seeds only: the third of the others is told apart.
    other = compared_with(sweep(), "soft road alpha=1")
    table = build_table(other, "test", resamples=50)
    assert rows(table)["plain"].deltas["miou"].n_seeds == 2
    assert (
        "No soft road alpha=1 with seed 2: the differences of 3 trials (plain, down road, soft road)"
        in comparison_text(other, table).replace("\n", " ")
    )


def test_a_baseline_is_found_by_label_beginning_or_control():
    assert compared_with(sweep(), "down").against == "down road"
    assert compared_with(sweep(), "soft road").against == "soft road"
    assert compared_with(sweep(), "soft road a").against == "soft road alpha=1"
    same = sweep()
    assert compared_with(same, "plain") is same
    with pytest.raises(ValueError, match=r"'soft' means 2 variants: soft road; soft road alpha=1\. Give one of them"):
        compared_with(sweep(), "soft")
    with pytest.raises(ValueError, match=r"'' means none of: plain; soft road\. Give one of them\."):
        compared_with(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft road", SOFT)), "")
    with pytest.raises(ValueError, match=r"'hard' means none of: plain; down road; soft road; soft road alpha=1\."):
        compared_with(sweep(), "hard")


def test_without_a_plain_control_another_baseline_counts_and_its_note_goes():
    alone = [trial(10 * at + seed, name, SOFT, seed=seed) for at, name in enumerate(("a", "b")) for seed in range(2)]
    lacking = replace(sweep_of(*alone), notes=tuple(without_control(alone, {})))
    assert len(lacking.notes) == 2
    other = compared_with(lacking, "a")
    assert (other.against, other.notes) == ("a", ())
    assert rows(build_table(other, "test", resamples=50))["b"].deltas["miou"].mean == 0


def test_plain_is_that_of_each_budget():
    long = {"trainer.epochs": "8"}
    own = sweep_of(
        trial(0, "plain", PLAIN, control="plain"),
        replace(trial(1, "plain · epochs=8", PLAIN, control="plain", params=long), reference="long"),
        replace(trial(2, "soft · epochs=8", SOFT, params=long), reference="long"),
    )
    assert compared_with(own, "plain") is own


def test_a_plain_control_of_an_earlier_sweep_becomes_a_row():
    own = sweep()
    earlier = {key: replace(one, number=-1) for key, one in own.baselines.items()}
    alone = replace(own, trials=tuple(one for one in own.trials if one.control != "plain"), baselines=earlier)
    found = rows(build_table(compared_with(alone, "down road"), "test", resamples=50))
    assert found["plain"].deltas["target_iou"].mean == pytest.approx(100 * (40 / 80 - 20 / 60))


@pytest.mark.parametrize(
    ("metric", "order"),
    [
        ("others_gain", ["soft road", "soft road alpha=1"]),
        ("target_iou", ["soft road", "soft road alpha=1"]),
        # Recall of the road: soft 30/50, plain 40/50.
        ("target_recall", ["soft road alpha=1", "soft road"]),
        # It cost soft nothing: 54.5 for 50.0.
        ("target_cost", ["soft road", "soft road alpha=1"]),
        ("iou/car", ["soft road", "soft road alpha=1"]),
    ],
)
def test_variants_are_ranked_by_the_metric_below_the_controls(metric, order):
    table = build_table(judged_by(sweep(), metric), "test", resamples=50)
    assert [row.variant for row in table.rows] == ["plain", "down road", *order]
    assert table.metric == metric


def test_the_verdict_says_what_is_best_by_it():
    own = judged_by(sweep(), "target_recall")
    told = verdict(own, build_table(own, "test", resamples=50))[1]
    assert told.startswith(
        "By target recall, no variant does better than the plain control; next is soft road alpha=1: 80.0 %, 0.0 "
        "points ["
    )
    own = judged_by(sweep(), "target_iou")
    told = verdict(own, build_table(own, "test", resamples=50))[1]
    assert told.startswith("By target IoU, soft road does best: 54.5 %, +4.5 points [")
    own = judged_by(sweep(), "target_cost")
    told = verdict(own, build_table(own, "test", resamples=50))[1]
    assert told.startswith("By target cost, soft road does best: \N{MINUS SIGN}4.5 points.")
    own = judged_by(sweep(), "iou/car")
    assert verdict(own, build_table(own, "test", resamples=50))[1].startswith("By IoU of car, ")
    # A column that the terminal has no room for otherwise comes first.
    own = judged_by(sweep(), "pixel_accuracy")
    assert "pixel" in comparison_text(own, build_table(own, "test", resamples=50))


def test_a_misspelt_metric_is_answered_with_the_next_one():
    with pytest.raises(ValueError, match=r"no metric 'mIoU' to judge by\. Did you mean miou\? Allowed: others_gain, "):
        judged_by(sweep(), "mIoU")


def test_both_from_the_store(store, add_trial, tmp_path):
    parent = store.open_sweep(study="s", tags={}, params={})
    add_trial(parent, 0, "plain", PLAIN, control="plain", targets="")
    add_trial(parent, 1, "soft road", SOFT)
    add_trial(parent, 2, "hard road", DOWN)
    result = write_comparison(store, ["s"], tmp_path / "out", metric="miou", baseline="soft road")
    assert result.main.rows[0].variant == "soft road"
    assert "--metric miou --baseline" in verdict_note(result.sweep, result.main)
