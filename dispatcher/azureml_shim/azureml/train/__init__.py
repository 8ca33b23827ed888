"""v1's training package: sweeps in `hyperdrive`; estimators say what to use instead."""
