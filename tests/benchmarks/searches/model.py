"""What is searched for: a neural network's settings on the digits that come with scikit-learn."""

from collections.abc import Iterator

import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from space import EPOCHS


def scores(lr: float, alpha: float, hidden: int, batch: int) -> Iterator[float]:
    """The accuracy on images that were not trained on, after each epoch."""
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, random_state=0, stratify=y)
    model = MLPClassifier(
        (hidden,), batch_size=batch, learning_rate_init=lr, alpha=alpha, random_state=0
    )
    for _ in range(EPOCHS):
        model.partial_fit(x, y, classes=numpy.arange(10))
        yield float(model.score(x_test, y_test))
