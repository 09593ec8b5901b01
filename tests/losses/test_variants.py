import subprocess
import sys

import numpy as np
import pytest

from fnmask.losses import variants

TIMES = {"warmup_epochs": 2.0, "ramp_epochs": 1.0}
ONES = np.ones((3, 3))
ROW_1 = [[1, 1, 1], [0.4, 1, 0.4], [1, 1, 1]]


@pytest.mark.parametrize(
    ("spec", "mask", "matrix", "weights", "times", "targets"),
    [
        (variants.plain(num_classes=3, target=2), "argmax", ONES, [1, 1, 1], (0, 0), (2,)),
        (variants.downweight_class(num_classes=3, target=1, alpha=0.4), "argmax", ONES, [1, 0.4, 1], (0, 0), (1,)),
        (
            variants.ignore_false_negatives(num_classes=3, target=[0, 2], **TIMES),
            "argmax",
            [[1, 0, 0], [1, 1, 1], [0, 0, 1]],
            [1, 1, 1],
            (2, 1),
            (0, 2),
        ),
        (
            variants.attenuate_false_negatives(num_classes=3, target=1, alpha=0.4, **TIMES),
            "argmax",
            ROW_1,
            [1, 1, 1],
            (2, 1),
            (1,),
        ),
        (
            variants.soften_false_negatives(num_classes=3, target=[1], alpha=0.4, **TIMES),
            "confidence",
            ROW_1,
            [1, 1, 1],
            (2, 1),
            (1,),
        ),
    ],
    ids=["plain", "downweight", "ignore", "attenuate", "soften"],
)
def test_what_each_variant_asks_for(spec, mask, matrix, weights, times, targets):
    assert spec.mask == mask
    np.testing.assert_allclose(spec.error_weights, matrix, rtol=1e-7)
    np.testing.assert_allclose(spec.class_weights, weights, rtol=1e-7)
    assert (spec.warmup_epochs, spec.ramp_epochs) == times
    assert spec.targets == targets


@pytest.mark.parametrize(
    ("target", "message"), [(3, r"target=\[3\]"), ([], "target is empty"), ([1, 1], "names a class twice")]
)
def test_wrong_targets_are_explained(target, message):
    with pytest.raises(ValueError, match=message):
        variants.downweight_class(num_classes=3, target=target, alpha=0.5)


def test_what_a_configuration_names_loads_no_backend():
    modules = "variants", "weighting", "schedule", "error_matrix"
    code = f"import sys, fnmask; {'; '.join(f'import fnmask.losses.{name}' for name in modules)}; " + (
        "import fnmask.metrics.readings; print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
