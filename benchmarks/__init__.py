"""What the package costs beside what others offer: `python -m benchmarks.losses`. Not part of the installed package."""
