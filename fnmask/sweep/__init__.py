"""The sweep: search space, study, worker, and the Hydra plugin in front of them."""
