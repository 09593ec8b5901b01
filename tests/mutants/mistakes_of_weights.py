"""Mistakes in the weight of a pixel, and in what it reads of the logits."""

from harness import Mutant

HAND = "losses/test_values.py::test_one_pixel_by_hand"
WEIGHTS = "losses/test_values.py::test_pixel_weights_are_the_oracles"
VOID = "losses/test_void.py::test_void_logits_reach_neither_loss_nor_gradient"

OF_WEIGHTS = (
    Mutant(
        "miss-inverted",
        "losses/masks.py",
        "    return read_matrix(matrix, predictions.rows, predictions.predicted)",
        "    return read_matrix(matrix, predictions.rows, predictions.rival)",
        "`y_hat != y` is not asked: hits weigh alpha as well",
        ("losses/test_gradients.py::test_a_pixel_weighs_alpha_while_it_is_missed",),
    ),
    Mutant(
        "hits-for-misses",
        "losses/masks.py",
        "    return ops.where(survives, predictions.labeled, attenuated)",
        "    return ops.where(survives, attenuated, predictions.labeled)",
        "under `threshold` the pixels that survive are attenuated, and the others not",
        (HAND,),
    ),
    Mutant(
        "unsure-for-sure",
        "losses/masks.py",
        "predictions.predicted_log_probability) >= numbers",
        "predictions.predicted_log_probability) < numbers",
        "under `disagreement` the unsure misses are let off, and the sure ones not",
        (HAND,),
    ),
    Mutant(
        "matrix-transposed",
        "losses/masks.py",
        '    matrix = ramped(numbers["error_weights"], numbers["ramp"])',
        '    matrix = ops.transpose(ramped(numbers["error_weights"], numbers["ramp"]))',
        "rows are predictions and columns are truths",
        (WEIGHTS,),
    ),
    Mutant(
        "no-stop-gradient",
        "losses/masks.py",
        "ops.stop_gradient(ops.where(predictions.is_valid, weights, ops.zeros_like(weights)))",
        "ops.where(predictions.is_valid, weights, ops.zeros_like(weights))",
        "a gradient flows through `pixel_weights`",
        (WEIGHTS,),
    ),
    Mutant(
        "weight-differentiated",
        "losses/pixel_loss.py",
        "upstream * scale, *maps)",
        'upstream * scale * (1.0 + (predictions.log_probability if step.mask == "confidence" else 0.0)), *maps)',
        "the closed form has the product rule in it, as without a stop-gradient (exactly so at alpha 0 and power 1)",
        ("losses/test_gradients.py",),
    ),
    Mutant(
        "void-weight-left",
        "losses/masks.py",
        "ops.where(predictions.is_valid, weights, ops.zeros_like(weights))",
        "weights",
        "the weight of a void pixel is NaN where its logits are",
        (VOID,),
    ),
    Mutant(
        "power-ignored",
        "losses/masks.py",
        'ops.exp(numbers["power"] * predictions.log_probability)',
        'ops.exp(0.0 * numbers["power"] + predictions.log_probability)',
        "the power of `confidence` is always 1",
        (HAND,),
    ),
    Mutant(
        "temperature-inverted",
        "losses/masks.py",
        'ops.sigmoid(margin / numbers["temperature"])',
        'ops.sigmoid(margin * numbers["temperature"])',
        "the margin is multiplied by its temperature",
        ("losses/test_special_cases.py::test_limits_of_the_masks",),
    ),
    Mutant(
        "argmax-axis",
        "losses/predictions.py",
        "ops.argmax(self.logits, axis=-1)",
        "ops.argmax(self.logits, axis=2)",
        "the prediction is the best column of the image, not the best class",
        ("losses/test_traced.py::test_ignored_misses_and_void_have_exactly_no_gradient",),
    ),
    Mutant(
        "tie-to-the-highest",
        "losses/predictions.py",
        "ops.argmax(self.logits, axis=-1)",
        "(self.num_classes - 1 - ops.argmax(ops.flip(self.logits, axis=-1), axis=-1))",
        "of equal logits the last class is the prediction",
        ("losses/test_precision.py::test_a_tie_goes_to_the_lowest_class",),
    ),
    Mutant(
        "rival-tie-to-the-highest",
        "losses/predictions.py",
        "            index = ops.cast(ops.argmax(others, axis=-1), ",
        "            index = self.num_classes - 1 - ops.cast(ops.argmax(ops.flip(others, axis=-1), axis=-1), ",
        "of equal logits the last class is the rival",
        ("losses/test_precision.py::test_a_tie_goes_to_the_lowest_class",),
    ),
    Mutant(
        "rival-may-be-the-label",
        "losses/predictions.py",
        'others = ops.where(self.classes.is_label, float("-inf"), self.logits)',
        "others = self.logits",
        "the rival is the strongest class, the label included",
        (WEIGHTS,),
    ),
    Mutant(
        "void-channel-passed",
        "losses/predictions.py",
        "flat < size * size",
        "flat <= size * size",
        "class 0 of a void pixel passes the guard of the gradient",
        (VOID,),
    ),
)
