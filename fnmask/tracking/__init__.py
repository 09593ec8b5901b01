"""Where the numbers of a run go: the tracker protocol, the MLflow store, lineage and the pictures of a run.

Nothing is re-exported, so that the protocol can be imported without MLflow and without Pillow.
"""
