"""What is known of PyTorch's own layers."""

from __future__ import annotations

from collections.abc import Callable

import torch


def variance_of(layer: torch.nn.Module) -> Callable[[torch.nn.Module, torch.Tensor], torch.Tensor] | None:
    """What a layer adds its epsilon to, unit by unit; None if it is no layer of normalisation."""
    if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
        return lambda _, x: x.var(dim=[d for d in range(x.dim()) if d != 1], unbiased=False)
    if isinstance(layer, torch.nn.LayerNorm):
        last = len(layer.normalized_shape)
        return lambda _, x: x.var(dim=list(range(x.dim() - last, x.dim())), unbiased=False)
    if isinstance(layer, torch.nn.GroupNorm):
        groups = layer.num_groups
        return lambda _, x: x.reshape(x.shape[0], groups, -1).var(dim=-1, unbiased=False)
    return None


def differentiable_weight_norm(module: torch.nn.Module) -> None:
    """Has weight normalisation of the module computed by operations whose second derivatives are right: autograd's own
    function for it takes ||v|| for a constant in
    the second derivative (seen in PyTorch 2.15 on the CPU)."""
    parametrisation = getattr(torch.nn.utils.parametrizations, "_WeightNorm", None)
    for layer in module.modules():
        if parametrisation is not None and isinstance(layer, parametrisation):
            layer.forward = lambda g, v, dim=layer.dim: v * (g / torch.norm_except_dim(v, 2, dim))
