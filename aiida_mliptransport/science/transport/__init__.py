"""Transport observables from unwrapped trajectories: plain arrays in, numbers with errors out."""

#: Goes into every analysis as an input, so that cached results know their estimator.
#: Raise it when a change alters a number.
ESTIMATOR_VERSION = "3"
