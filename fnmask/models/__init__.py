"""Networks: `fnmask.models.tiny` and `fnmask.models.segmentation`, both mapping images to float32 logits.

Nothing is re-exported here: a config names a builder by its full path, and importing a builder must not load a backend.
"""
