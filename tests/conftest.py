import os

# Before any test imports TensorFlow: its greetings would drown what a failing test says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
