from fnmask.sweep.warmth import Warmth, structure_of


def test_numbers_of_a_step_are_no_structure():
    chosen = {"backbone": "unet", "loss": "ignore_fn", "optimizer": "adam"}
    numbers = {"loss.alpha": 0.5, "loss.target": "road", "seed": 3, "weighting": "none", "label_noise.px": 2}
    rates = {"optimizer.learning_rate": 0.1, "optimizer.weight_decay": 0.2, "base.gamma": 2}
    assert structure_of(chosen | numbers | rates) == structure_of(chosen)
    for change in (
        *({"backbone": "fpn"}, {"backbone.encoder": "vgg16"}, {"loss": "soften_fn"}, {"trainer.batch_size": 4}),
        *({"dataset.crop_size": [64, 64]}, {"optimizer.momentum": 0.5}, {"base": "dice"}, {"dataset": "dubai"}),
    ):
        assert structure_of(chosen | change) != structure_of(chosen), change


def test_the_structures_that_were_run_last_are_warm():
    warmth = Warmth()
    names = ("unet", "fpn", "linknet", "unet", "pspnet")
    for name in names:
        assert warmth.is_warm({"backbone": name}) == (name == "unet" and bool(warmth._held))
        warmth.ran({"backbone": name, "loss.alpha": 0.1})
    assert [name for name in dict.fromkeys(names) if warmth.is_warm({"backbone": name})] == [
        "unet",
        "linknet",
        "pspnet",
    ]
