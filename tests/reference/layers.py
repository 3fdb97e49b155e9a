"""Writes layers.json: networks as PyTorch evaluates them, in float64 on the CPU. Run with `python layers.py > layers.json`."""

import json

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(20190506)


def conv(inputs, filters, bias):
    return nn.Conv2d(inputs, filters, 3, padding=1, bias=bias)


def mlp_layer_norm():
    return [
        (nn.Linear(3, 5, bias=False), nn.LayerNorm(5, eps=1e-5), nn.GELU()),
        (nn.Linear(5, 4), nn.LayerNorm(4, eps=0.03, elementwise_affine=False), nn.SiLU()),
        (nn.Linear(4, 3), None, None),
    ]


def mlp_group_norm():
    return [
        (nn.Linear(3, 6, bias=False), nn.GroupNorm(2, 6, eps=1e-5), nn.GELU(approximate="tanh")),
        (nn.Linear(6, 4), nn.BatchNorm1d(4, eps=1e-5), nn.Tanh()),
        (nn.Linear(4, 4), None, nn.SiLU()),
        (nn.Linear(4, 3, bias=False), None, None),
    ]


def filters():
    return [
        (conv(2, 4, False), nn.BatchNorm2d(4, eps=1e-5), nn.SiLU(), nn.MaxPool2d(2)),
        (conv(4, 6, False), nn.GroupNorm(3, 6, eps=1e-5), nn.GELU()),
        (conv(6, 4, True), nn.GroupNorm(1, 4, eps=1e-3), nn.Softplus(), nn.MaxPool2d(2)),
        (conv(4, 3, True), None, nn.Tanh()),
        (nn.Linear(3 * 1 * 2, 3), None, None),
    ]


def described(layer):
    """The parts in the words of problem files."""
    linear, norm, activation, *pool = layer
    kind = {"filters": linear.out_channels} if isinstance(linear, nn.Conv2d) else {"units": linear.out_features}
    found = {**kind, "pooled": bool(pool), "bias": linear.bias is not None}
    if isinstance(norm, nn.GroupNorm):
        found |= {"normalisation": "group", "groups": norm.num_groups}
    elif norm is not None:
        found |= {"normalisation": "layer" if isinstance(norm, nn.LayerNorm) else "batch"}
    if norm is not None:
        found |= {"epsilon": norm.eps, "affine": norm.weight is not None}
    if activation is not None:
        tanh = getattr(activation, "approximate", "none") == "tanh"
        found["activation"] = type(activation).__name__.lower() + ("-tanh" if tanh else "")
    return found


def case(name, layers, shape, batch):
    modules = []
    for layer in layers:
        if isinstance(layer[0], nn.Linear) and len(modules) > 0:
            modules.append(nn.Flatten())
        modules += [part for part in layer if part is not None]
    network = nn.Sequential(*modules)
    inputs = torch.randn(batch, *shape)
    labels = torch.randint(0, 3, (batch,))
    parts, parameters = [], []
    for layer in layers:
        linear, norm = layer[0], layer[1]
        for part in (linear, norm):
            for which in ("weight", "bias"):
                parameter = getattr(part, which, None)
                if parameter is not None:
                    with torch.no_grad():
                        parameter += 0.1 * torch.randn_like(parameter)
                    parameters.append(parameter)
                parts.append(parameter)
    loss = nn.functional.cross_entropy(network(inputs), labels)
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    direction = [torch.randn_like(parameter) for parameter in parameters]
    slope = sum((g * d).sum() for g, d in zip(gradient, direction))
    product = torch.autograd.grad(slope, parameters)

    def per_layer(values):
        """Of every layer the weights, the bias before the normalisation, gamma and beta."""
        values = dict(zip(map(id, parameters), values))
        numbers = [None if part is None else values[id(part)].flatten().tolist() for part in parts]
        return [numbers[k : k + 4] for k in range(0, len(numbers), 4)]

    return {
        "name": name,
        "image": list(shape) if len(shape) == 3 else None,
        "layers": [described(layer) for layer in layers],
        "inputs": inputs.flatten(1).tolist(),
        "labels": labels.tolist(),
        "parameters": per_layer([parameter.detach() for parameter in parameters]),
        "loss": loss.item(),
        "gradient": per_layer([g.detach() for g in gradient]),
        "direction": per_layer(direction),
        "hessian_times_direction": per_layer(product),
    }


cases = [
    case("mlp-layer-norm", mlp_layer_norm(), (3,), 7),
    case("mlp-group-norm", mlp_group_norm(), (3,), 9),
    case("filters", filters(), (2, 4, 8), 5),
]
print(json.dumps({"made_by": f"PyTorch {torch.__version__}", "cases": cases}))
