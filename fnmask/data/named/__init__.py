"""Public data sets as their publishers pack them: a file and an option of `dataset=` for each."""
