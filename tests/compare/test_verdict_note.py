"""The verdict on the sweep's page in MLflow."""

from dataclasses import replace

from hand_worked import PLAIN, SOFT, sweep_of, table_of, trial

from fnmask.compare.verdict import verdict
from fnmask.compare.verdict_note import verdict_note
from fnmask.tracking.records import RunRecord

SWEEP = sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft_fn road", SOFT))


def test_it_is_the_three_sentences_and_the_command():
    told = verdict_note(SWEEP, table_of(SWEEP)).split("\n\n")
    assert [one.replace("\\", "") for one in told[:3]] == list(verdict(SWEEP, table_of(SWEEP)))
    assert "soft\\_fn road" in told[1], "Markdown would take the line for emphasis"
    assert told[3].startswith("Written by ``fnmask compare --sweep s``; all of it is in `compare/report.html`")


def test_the_command_repeats_the_comparison():
    record = RunRecord("run", "s", "FINISHED", {"fnmask.study": "my study"}, {}, {}, 0, 1)
    sweep = replace(SWEEP, record=record, others=("t",), where="params.`loss.alpha` = '0.5'", experiment="other")
    command = verdict_note(sweep, table_of(sweep, "val")).rsplit("``", 2)[1]
    assert command == (
        "fnmask compare --sweep 'my study' --sweep t --where 'params.`loss.alpha` = '\"'\"'0.5'\"'\"'' --split val "
        "--experiment other"
    )
