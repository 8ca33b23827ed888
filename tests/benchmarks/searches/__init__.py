"""One search, as a sweep's trial and as programs of Optuna and of Ray Tune."""
