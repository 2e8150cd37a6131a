"""The PyTorch peer: the same U-Net and losses, bfloat16 autocast, channels last.

Its batch is constant and in memory, which favours it: no input pipeline is timed.
"""

import argparse

import protocol
import torch
from torch import nn
from torch.nn import functional

FILTERS = (16, 32, 64, 128, 128, 128)


def conv_norm_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution of the same size, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding="same", bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions."""
    first = conv_norm_relu(inputs, outputs, 3)
    return nn.Sequential(first, conv_norm_relu(outputs, outputs, 3))


class Encoder(nn.Module):
    """The contracting path; gives each level's features."""

    def __init__(self):
        super().__init__()
        channels = (1, *FILTERS)
        self.levels = nn.ModuleList(map(double_conv, channels, FILTERS))

    def forward(self, image):
        features, levels = image, []
        for number, level in enumerate(self.levels):
            features = level(functional.max_pool2d(features, 2) if number else features)
            levels.append(features)
        return levels


class Decoder(nn.Module):
    """The first blocks of the expanding path."""

    def __init__(self, num_blocks: int):
        super().__init__()
        below = FILTERS[::-1]
        pairs = list(zip(below, below[1:]))[:num_blocks]
        self.up = nn.ModuleList(conv_norm_relu(a, b, 2) for a, b in pairs)
        self.join = nn.ModuleList(double_conv(2 * b, b) for _, b in pairs)

    def forward(self, levels):
        features = levels[-1]
        for number, (up, join) in enumerate(zip(self.up, self.join), 2):
            features = up(functional.interpolate(features, scale_factor=2))
            features = join(torch.cat([levels[-number], features], 1))
        return features


def contrast(units, positive, negative):
    """Mean over positive pairs of -log(e^p / (e^p + sum of e^n))."""
    logits = units @ units.mT / 0.1
    negatives = logits.masked_fill(~negative, -torch.inf).logsumexp(-1, keepdim=True)
    return functional.softplus(negatives - logits)[positive].mean()


def encoder_step(size: int, count: int):
    """L_g of G^D with m = 3 volumes, S = 4 partitions, three views."""
    encoder = Encoder()
    head = nn.Sequential(
        nn.Flatten(),
        nn.Linear(FILTERS[-1] * (size // 32) ** 2, 1024, bias=False),
        nn.ReLU(),
        nn.Linear(1024, 128, bias=False),
    )
    partition = torch.arange(count) % 4
    same = partition[:, None] == partition[None]
    positive = same & ~torch.eye(count, dtype=torch.bool)

    def loss(images):
        units = functional.normalize(head(encoder(images)[-1]).float(), dim=1)
        return contrast(units, positive, ~same)

    return nn.ModuleList([encoder, head]), loss


def decoder_step(size: int, count: int):
    """L_l of L^R, l = 3, 13 regions of 3x3, all other regions as negatives."""
    encoder, decoder = Encoder().requires_grad_(False).eval(), Decoder(3)
    # `make_step` sets this layout for the trained modules only.
    encoder.to(memory_format=torch.channels_last)
    channels = FILTERS[2]
    head = nn.Sequential(
        conv_norm_relu(channels, channels, 1),
        nn.Conv2d(channels, channels, 1, bias=False),
    )
    start = torch.linspace(0, size // 4 - 3, 13).long()
    identity = torch.eye(13, dtype=torch.bool)
    none = torch.zeros(13, 13, dtype=torch.bool)
    positive = torch.cat([torch.cat([none, identity]), torch.cat([identity, none])], 1)
    negative = ~(positive | torch.eye(26, dtype=torch.bool))

    def loss(images):
        with torch.no_grad():
            levels = encoder(images)
        features = head(decoder(levels)).float()
        regions = [features[:, :, k : k + 3, k : k + 3].flatten(1) for k in start]
        first, second = torch.stack(regions, 1).chunk(2)
        units = functional.normalize(torch.cat([first, second], 1), dim=2)
        wide = (len(units), 26, 26)
        return contrast(units, positive.expand(wide), negative.expand(wide))

    return nn.ModuleList([decoder, head]), loss


def finetune_step(size: int, count: int):
    """Soft Dice of four classes."""
    classifier = nn.Conv2d(16, 4, 3, padding=1, bias=False)
    unet = nn.ModuleList([Encoder(), Decoder(5), classifier])
    labels = torch.randint(0, 4, (count, size, size))
    truth = functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()

    def loss(images):
        encoder, decoder, classifier = unet
        found = classifier(decoder(encoder(images))).float().softmax(1)
        overlap, total = (found * truth).sum((0, 2, 3)), (found + truth).sum((0, 2, 3))
        return 1 - (2 * overlap / total).mean()

    return unet, loss


STAGES = {
    "encoder": (encoder_step, 36),
    "decoder": (decoder_step, 24),
    "finetune": (finetune_step, 20),
}


def make_step(stage: str, size: int, batch: int):
    """A training step on a constant batch."""
    build, _ = STAGES[stage]
    torch.manual_seed(0)
    modules, loss_of = build(size, batch)
    modules.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(modules.parameters(), 1e-3)
    images = torch.rand(batch, 1, size, size).to(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(images)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def main() -> None:
    """Serves steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size_px", type=int, required=True)
    parser.add_argument("--batches", required=True, help="stage=images, with commas")
    options = parser.parse_args()
    batches = dict(pair.split("=") for pair in options.batches.split(","))
    protocol.serve(lambda stage: make_step(stage, options.size_px, int(batches[stage])))


if __name__ == "__main__":
    main()
