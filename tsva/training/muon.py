"""Muon: a momentum optimiser whose steps of weight matrices are orthogonal; Adam for all other parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that brings singular values near 1 in five rounds."""
ROUNDS = 5
MOMENTUM = 0.9
ADAM_BETAS = (0.9, 0.999)
EPSILON = 1e-8
MATRIX_RATE = 10.0
"""Learning rate of matrices over that of Adam's parameters; chosen on the verification split."""
IMAGE_CHANNELS = 3
"""Layers with so few outputs give images; their weights are left to Adam, as Muon's authors do with last layers."""


class Muon(Optimizer):
    """Muon for convolution weights, Adam for biases, normalisation and layers that give images.

    A weight of shape (outputs, inputs, y, x) is taken as a matrix (outputs, inputs · y · x). Its step is the orthogonal
    matrix nearest to its momentum (Nesterov), scaled by the square root of rows over columns where that is above 1.

    Parameters
    ----------
    parameters : iterable of Parameter
    learning_rate : float
        Adam's; matrices have `MATRIX_RATE` times that.

    References
    ----------
    Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks. torch.optim.Muon takes
    two-dimensional parameters alone.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float) -> None:
        every = [parameter for parameter in parameters if parameter.requires_grad]
        matrices = [parameter for parameter in every if is_matrix(parameter)]
        others = [parameter for parameter in every if not is_matrix(parameter)]
        groups = [{"params": matrices, "matrices": True}, {"params": others, "matrices": False}]
        super().__init__([group for group in groups if group["params"]], {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if group["matrices"]:
                    self._matrix_step(parameter, MATRIX_RATE * group["lr"])
                else:
                    self._adam_step(parameter, group["lr"])
        return loss

    def _matrix_step(self, parameter: Parameter, rate: float) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(MOMENTUM).add_(gradient)
        ahead = gradient.add(momentum, alpha=MOMENTUM).flatten(1)
        scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        parameter.sub_(orthogonalised(ahead).reshape(parameter.shape), alpha=rate * scale)

    def _adam_step(self, parameter: Parameter, rate: float) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "step" not in state:
            state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - ADAM_BETAS[0])
        square = state["square"].lerp_(gradient.square(), 1 - ADAM_BETAS[1])
        mean = mean / (1 - ADAM_BETAS[0] ** state["step"])
        root = (square / (1 - ADAM_BETAS[1] ** state["step"])).sqrt()
        parameter.addcdiv_(mean, root.add_(EPSILON), value=-rate)


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon's matrix step applies: a convolution's weight that gives features and no image."""
    return parameter.ndim == 4 and parameter.shape[0] > IMAGE_CHANNELS


def orthogonalised(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near 1 (0.7 to 1.2), by Newton and Schulz' iteration.

    Parameters
    ----------
    matrix : (rows, columns) float tensor

    Returns
    -------
    (rows, columns) float tensor
        Zero where the matrix is.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
