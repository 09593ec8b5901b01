"""The harness on mutants of the schedule, whose tests need no backend and so take a second."""

import pytest
from harness import ROOT, Mutant, check_unbroken, judge, mutated_source
from mistakes_of_pixels import OF_PIXELS
from mistakes_of_regions import OF_REGIONS
from mistakes_of_settings import OF_SETTINGS
from mistakes_of_weights import OF_WEIGHTS

MUTANTS = (*OF_WEIGHTS, *OF_PIXELS, *OF_REGIONS, *OF_SETTINGS)
TESTS = ("losses/test_schedule.py",)
FILE = "losses/schedule.py"


def mutant(before, after, tests=TESTS):
    return Mutant("example", FILE, before, after, "something is wrong", tests)


@pytest.mark.slow
def test_a_mistake_that_a_test_notices_is_killed():
    source = (ROOT / "fnmask" / FILE).read_text()
    outcome = judge(mutant("if done < 0:", "if done < 1:"))
    assert outcome.verdict == "killed", outcome.detail
    assert outcome.detail.startswith("losses/test_schedule.py::test_")
    assert (ROOT / "fnmask" / FILE).read_text() == source, "the working tree is not touched"


@pytest.mark.slow
def test_what_is_no_mistake_survives():
    outcome = judge(mutant("    done = step - warmup_steps\n", "    done = -(warmup_steps - step)\n"))
    assert (outcome.verdict, outcome.detail) == ("survived", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import math\n", "import math\nimport nothing_of_that_name\n"),  # the tests are not even collected
        ("    done = step", "    no_such_name\n    done = step"),  # a NameError in a test
    ],
)
def test_an_error_on_the_way_is_no_kill(before, after):
    outcome = judge(mutant(before, after))
    assert outcome.verdict == "stumbled"
    assert "nothing_of_that_name" in outcome.detail or "no_such_name" in outcome.detail


@pytest.mark.slow
def test_tests_that_fail_anyway_tell_nothing():
    with pytest.raises(RuntimeError, match="Without any mutant pytest ends with 4, so nothing could be told"):
        check_unbroken([mutant("done = ", "done = ", ("losses/no_such_test.py",))])


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("no such text", "", "occurs 0 times in fnmask/losses/schedule.py, but it must be once"),
        ("return", "return", "occurs .* times"),
        ("    done = step", "    done = = step", "would be no Python"),
    ],
)
def test_a_mutant_that_does_not_fit_is_refused(before, after, message):
    with pytest.raises(ValueError, match=f"^example: .*{message}"):
        mutated_source(mutant(before, after), ROOT)


def test_the_list_fits_the_source():
    names = [each.name for each in MUTANTS]
    assert len(set(names)) == len(names) > 50
    for each in MUTANTS:
        assert mutated_source(each, ROOT) != (ROOT / "fnmask" / each.path).read_text()
        assert all((ROOT / "tests" / test.partition("::")[0]).is_file() for test in each.tests), each.name
