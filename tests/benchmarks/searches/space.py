"""What is tried, how long, and how early bad trials end."""

LEARNING_RATE, ALPHA = (-9.0, -2.0), (-14.0, -1.0)  # natural logarithms
HIDDEN, BATCH = (64, 128, 256), (32, 64, 128)
EPOCHS = 27
REDUCTION = 3  # of successive halving, from the first epoch on
