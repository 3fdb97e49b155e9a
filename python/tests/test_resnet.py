"""torchvision's ResNet-18, at an eighth of its width so that it takes seconds: `python/benches/discover.py` has it
whole."""

from __future__ import annotations

import pytest
from conftest import optional

torch = optional("torch")
torchvision = optional("torchvision")

import ratecheck  # noqa: E402

#: The streams that every layer but the last reads through a normalisation: what writes into each is invariant together.
STREAMS = [
    ["bn1", "layer1.0.bn2", "layer1.1.bn2"],
    ["layer2.0.bn2", "layer2.0.downsample.1", "layer2.1.bn2"],
    ["layer3.0.bn2", "layer3.0.downsample.1", "layer3.1.bn2"],
]


class Narrow(torchvision.models.ResNet):
    """All layers of ResNet-18, with an eighth of the channels."""

    def __init__(self):
        super().__init__(torchvision.models.resnet.BasicBlock, [2, 2, 2, 2], num_classes=10)
        self.fc = torch.nn.Linear(64, 10)

    def _make_layer(self, block, planes, *arguments, **named):
        if planes == 64:
            self.inplanes = 8
            self.conv1 = torch.nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
            self.bn1 = torch.nn.BatchNorm2d(8)
        return super()._make_layer(block, planes // 8, *arguments, **named)


@pytest.mark.parametrize("epsilon", [None, 1e-30])
def test_a_resnet_is_what_theory_says(epsilon):
    """Every filter, as all are normalised; (gamma, beta) inside of a block, which a ReLU, a filter and another
    normalisation follow; and in the streams, which all that reads them normalises, but for the last, which the head
    reads as it is."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Narrow()
    batch = (torch.randn(8, 3, 32, 32), torch.arange(8) % 10)
    loss = ratecheck.torch.loss(model, torch.nn.CrossEntropyLoss(), batch, blocks={}, epsilon=epsilon)
    found = ratecheck.discover(loss)
    parts = {part.name for part in found.invariant + found.nearly}
    names = [name for name, _ in model.named_parameters()]
    filters = {name: shape[0] for name, shape in ((n, p.shape) for n, p in model.named_parameters()) if len(shape) == 4}
    assert len(filters) == 20 and "fc.weight" in found.not_invariant
    expected = {f"{name} row {k + 1}" for name, rows in filters.items() for k in range(rows)}
    expected |= {f"{name} and {name[:-6]}bias" for name in names if name.endswith("bn1.weight") and "layer" in name}
    expected |= {" and ".join(f"{norm}.{kind}" for norm in stream for kind in ("weight", "bias")) for stream in STREAMS}
    assert parts == expected and len(found.not_invariant) == 8 and not found.without_effect, str(found)
    if epsilon is None:
        assert not found.invariant and all(1e-7 < part.epsilon_share < 1e-2 for part in found.nearly)
        # Lengths of everything together decide, not one after the other: four hundred it would be.
        assert found.gradients < 200
    else:
        assert not found.nearly and found.gradients < 150
