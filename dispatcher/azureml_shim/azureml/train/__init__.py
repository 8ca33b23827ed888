"""v1's training package: sweeps in `hyperdrive`; estimators raise an error with the alternative."""
