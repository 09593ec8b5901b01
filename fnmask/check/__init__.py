"""Is a data set fit to train on? Facts of every image, findings from them, and what a person gets to see."""
