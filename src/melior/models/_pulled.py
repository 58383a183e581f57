"""Logistic regression whose penalty pulls to given weights: what was learned before, moved by further rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats


def pulled_fit(
    values: Any,
    codes: NDArray[np.int64],
    weights: Floats | None,
    coef: Floats,
    intercept: Floats,
    *,
    c: float,
    rounds: int = 500,
) -> tuple[Floats, Floats]:
    """Coefficients and intercepts of the least sum over rows of weight * -log p(class), + |coef - given|^2 / (2 c).

    values (rows, features) dense or CSR; codes (rows,) class numbers; coef (1, features) and intercept (1,) for two
    classes, else (classes, features) and (classes,). It is the most probable fit where the earlier one is what is
    believed beforehand, with variance c: online Bayes by Laplace's approximation with equal precisions, Bishop, Pattern
    Recognition and Machine Learning, 2006, 4.4.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, log_softmax

    outputs, features = coef.shape
    count = np.ones(len(codes)) if weights is None else weights
    binary = outputs == 1
    hot = (codes == 1).astype(np.float64)[:, None] if binary else np.eye(outputs)[codes]

    def loss(flat: Floats) -> tuple[float, Floats]:
        own, shift = flat[: outputs * features].reshape(outputs, features), flat[outputs * features :]
        margins = np.asarray(values @ own.T) + shift  # (rows, outputs)
        if binary:
            each = np.logaddexp(0, margins[:, 0]) - hot[:, 0] * margins[:, 0]
            slack = expit(margins) - hot
        else:
            logs = log_softmax(margins, axis=1)
            each = -(hot * logs).sum(axis=1)
            slack = np.exp(logs) - hot
        slack = count[:, None] * slack
        away = own - coef
        gradient = np.asarray((values.T @ slack).T) + away / c
        total = float(count @ each) + float((away**2).sum()) / (2 * c)
        return total, np.concatenate([gradient.ravel(), slack.sum(axis=0)])

    start = np.concatenate([coef.ravel(), intercept])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds, "gtol": 1e-5}).x
    return found[: outputs * features].reshape(outputs, features), found[outputs * features :]
