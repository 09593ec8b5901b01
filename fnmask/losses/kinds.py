"""The words that choose a loss, in one place without a backend."""

from typing import Literal

# How the matrix becomes the weight of a pixel, see `fnmask.losses.masks`.
MaskKind = Literal["argmax", "confidence", "expectation", "margin", "threshold", "disagreement"]

# How a variant reads its matrix: as a mask, of any base or only of regions; as costs or shares of a label, see
# `fnmask.losses.label_losses`; or in the score of a class, see `fnmask.losses.region_loss`.
LabelReading = Literal["expected_cost", "label_set", "relabel"]
Reading = MaskKind | LabelReading | Literal["regions", "by_class"]

PixelKind = Literal["crossentropy", "focal", "generalized_crossentropy"]
TverskyKind = Literal["dice", "jaccard", "tversky", "focal_tversky"]
RegionKind = TverskyKind | Literal["lovasz_softmax"]

# What the sum over pixels is divided by, see `fnmask.losses.normalizers`.
MeanNormalizer = Literal["valid", "all", "kept", "weight", "class_weight", "per_class"]
Normalizer = Literal[MeanNormalizer, "none"]
