"""The compiled step and its reuse across trials: compile once, sweep many."""
