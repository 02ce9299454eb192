from __future__ import annotations

import torch

from gradus_learner.models.kernels import rms_norm, rotate


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def test_the_gradient_of_the_norm_equals_finite_differences() -> None:
    x, weight = random(2, 3, 5).requires_grad_(), random(5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, weight: rms_norm(x, weight, 1e-6), (x, weight))


def test_the_norm_equals_its_formula() -> None:
    x, weight = random(4, 7), random(7)
    expected = x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight
    assert torch.allclose(rms_norm(x, weight, 1e-6), expected, atol=1e-12)


def test_the_gradient_of_the_rotation_equals_finite_differences() -> None:
    x, angle = random(2, 3, 2, 6).requires_grad_(), random(3, 1, 3)
    angle = torch.cat((angle, angle), dim=-1)
    assert torch.autograd.gradcheck(lambda x: rotate(x, angle.cos(), angle.sin()), (x,))


def test_a_rotation_keeps_length_and_dot_products_depend_on_distance_only() -> None:
    q, k = random(1, 8), random(2, 8)[:1]

    def turned(x: torch.Tensor, position: int) -> torch.Tensor:
        angle = position / 10.0 ** (torch.arange(4, dtype=torch.float64) / 4)
        angle = torch.cat((angle, angle)).unsqueeze(0)
        return rotate(x, angle.cos(), angle.sin())

    assert torch.allclose(turned(q, 9).norm(), q.norm())
    assert torch.allclose((turned(q, 9) * turned(k, 4)).sum(), (turned(q, 25) * turned(k, 20)).sum())
