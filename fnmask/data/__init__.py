"""Images and labels: sources of them, label noise made on purpose, and the training pipeline.

Nothing is re-exported here: only `pipeline` needs TensorFlow, and the readers must import without it.
"""
