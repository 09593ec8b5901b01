"""`python train.py`: one run, or with --multirun a sweep. See `fnmask/train.py`."""

from fnmask.train import main

if __name__ == "__main__":
    main()
