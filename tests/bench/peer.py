"""The benchmark's workloads in PyTorch: run.py runs them beside gander's, which are the *.lua files here.

    peer.py NAME [--expert] [--check FOLDER]

Contiguous tensors and the default optimizers, as PyTorch's tutorials have it; --expert takes the layout and the
optimizer that are faster on a CPU: channels_last and fused=True. Both programs do the same work: a GAN's halves draw
noise of their own, D sees fakes that were made without a graph, and has no gradients in G's half.

--check prints the losses of five steps from what gander saved into FOLDER. Then, as bench.lua does with --serve, it
times steps: each line of standard input is a number of steps and one of threads.
"""
import argparse
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))


# ---- what gander saved: images are N,H,W,C and kernels H,W,C,K there

def turned(t):
    """An image or a latent (N,H,W,C) as N,C,H,W; other tensors stay as they are."""
    return t.permute(0, 3, 1, 2).contiguous() if t.ndim == 4 else t


def columns(linear, h, w, c):
    """The layer stands behind an image that was flattened."""
    linear.weight.gander = lambda t: t.reshape(-1, h, w, c).permute(0, 3, 1, 2).reshape(t.shape)
    return linear


def rows(linear, h, w, c):
    """The layer's result becomes an image."""
    for p in linear.parameters():
        p.gander = lambda t: t.reshape(h, w, c, -1).permute(2, 0, 1, 3).reshape(t.shape)
    return linear


class Saved:
    """The numbers that gander starts from, and its stream of random numbers."""

    def __init__(self, folder):
        from record import Stream
        self.folder = folder
        seed, position = open(f"{folder}/random").read().split()
        drawn = Stream(int(seed) % 2**64, int(position) - 2).words(4)[0]  # the trainer's seed, before the picture's
        self.stream = Stream(int(drawn[1]) << 32 | int(drawn[0]))

    def load(self, name):
        return torch.tensor(np.load(f"{self.folder}/{name}.npy"))

    def weights(self, networks):
        for i, p in enumerate(p for net in networks for p in net.parameters()):
            t = self.load(f"weight{i + 1}")
            t = t.permute(3, 2, 0, 1) if t.ndim == 4 else getattr(p, "gander", lambda t: t)(t)
            if t.shape != p.shape:
                sys.exit(f"weight {i + 1} is {tuple(t.shape)} in gander and {tuple(p.shape)} here")
            p.data.copy_(t)

    def noise(self, n, *shape):
        c, *sides = shape
        return turned(torch.tensor(self.stream.normal(n, *sides, c)))


class SavedDropout(nn.Module):
    def __init__(self, p, saved):
        super().__init__()
        self.p, self.saved = p, saved

    def forward(self, x):
        n, c, h, w = x.shape
        keep = turned(torch.tensor(self.saved.stream.uniform(n, h, w, c) >= np.float32(self.p)))
        return x * keep / (1 - self.p)


# ---- what workloads have in common

class Setting:
    def __init__(self, expert, saved=None):
        self.expert, self.saved = expert, saved
        self.inputs = 0

    def network(self, net):
        if self.saved:
            for m in net.modules():
                for name, child in m.named_children():
                    if isinstance(child, nn.Dropout):
                        setattr(m, name, SavedDropout(child.p, self.saved))
        return net.to(memory_format=torch.channels_last) if self.expert else net

    def input(self, make):
        self.inputs += 1
        x = turned(self.saved.load(f"input{self.inputs}")) if self.saved else make()
        return x.contiguous(memory_format=torch.channels_last) if self.expert and x.ndim == 4 else x

    def labels(self, classes, *shape):
        return self.input(lambda: torch.randint(1, classes + 1, shape)).long() - 1

    def optimizer(self, kind, net, **options):
        if self.expert:
            options["fused"] = True
        return kind(net.parameters(), **options)

    def load(self, *networks):
        if self.saved:
            self.saved.weights(networks)

    def noise(self, n, *shape):
        return self.saved.noise(n, *shape) if self.saved else torch.randn(n, *shape)


def gan(s, G, D, x, *latent):
    G, D = s.network(G), s.network(D)
    s.load(G, D)
    adam = dict(lr=2e-5 if s.saved else 2e-4, betas=(0.5, 0.999))  # bench.lua says why
    optim_g, optim_d = s.optimizer(torch.optim.Adam, G, **adam), s.optimizer(torch.optim.Adam, D, **adam)
    bce, n = nn.BCEWithLogitsLoss(), x.shape[0]
    real, fake = torch.ones(n, 1), torch.zeros(n, 1)

    def step():
        with torch.no_grad():
            made = G(s.noise(n, *latent))
        optim_d.zero_grad()
        loss_real = bce(D(x), real)
        loss_real.backward()
        loss_fake = bce(D(made), fake)
        loss_fake.backward()
        optim_d.step()
        optim_g.zero_grad()
        D.requires_grad_(False)
        loss_g = bce(D(G(s.noise(n, *latent))), real)
        loss_g.backward()
        D.requires_grad_(True)
        optim_g.step()
        return loss_real.item() + loss_fake.item(), loss_g.item()

    return step


def classifier(s, net, optimizer, x, labels):
    s.load(net)
    cross_entropy = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = cross_entropy(net(x).flatten(0, -2), labels.flatten())
        loss.backward()
        optimizer.step()
        return loss.item(),

    return step


# ---- the workloads

def mlp(s, n=100):
    x, labels = s.input(lambda: torch.rand(n, 784)), s.labels(2, n)
    net = nn.Sequential(nn.Linear(784, 500), nn.Sigmoid(), nn.Linear(500, 2))
    return classifier(s, net, s.optimizer(torch.optim.SGD, net, lr=0.01), x, labels)


def mlpgan(s, n=128):
    act = lambda: nn.LeakyReLU(0.2)
    G = nn.Sequential(nn.Linear(100, 128), act(), nn.Linear(128, 128), act(), nn.Linear(128, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 128), act(), nn.Linear(128, 128), act(), nn.Linear(128, 1))
    return gan(s, G, D, s.input(lambda: torch.rand(n, 784) * 2 - 1), 100)


def densegan(s, n=64):
    G = nn.Sequential(nn.Linear(100, 6272), nn.LeakyReLU(0.2), nn.Linear(6272, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 784), nn.LeakyReLU(0.2), nn.Linear(784, 1))
    return gan(s, G, D, s.input(lambda: torch.rand(n, 784) * 2 - 1), 100)


def cnn(s, n=64):
    x, labels = s.input(lambda: torch.rand(n, 1, 28, 28) * 2 - 1), s.labels(10, n)
    net = s.network(nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), columns(nn.Linear(3136, 128), 7, 7, 64), nn.ReLU(), nn.Linear(128, 10)))
    return classifier(s, net, s.optimizer(torch.optim.Adam, net, lr=1e-3), x, labels)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(width, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, characters, t, width, heads, layers):
        super().__init__()
        self.token, self.position = nn.Embedding(characters, width), nn.Embedding(t, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters, bias=False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.token(x) + self.position(torch.arange(x.shape[1])))))


def gpt(s, n=12):
    x, target = s.labels(65, n, 64), s.labels(65, n, 64)
    net = GPT(65, 64, 128, 4, 4)
    return classifier(s, net, s.optimizer(torch.optim.AdamW, net, lr=3e-4), x, target)


class Characters(nn.Module):
    def __init__(self, characters, width):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(characters, width), nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, characters)

    def forward(self, x):
        return self.head(self.lstm(self.embedding(x))[0])


def lstm(s, n=32):
    x, target = s.labels(65, n, 64), s.labels(65, n, 64)
    net = Characters(65, 128)
    return classifier(s, net, s.optimizer(torch.optim.Adam, net, lr=1e-3), x, target)


def up(i, o):
    return nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False)


def down(i, o):
    return nn.Conv2d(i, o, 4, 2, 1, bias=False)


def dcgan(s, n, widths):
    """The classic DCGAN: its generator ends with widths, from the widest; the discriminator is its mirror."""
    g = [nn.ConvTranspose2d(100, widths[0], 4, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    for i, o in zip(widths, widths[1:]):
        g += [up(i, o), nn.BatchNorm2d(o), nn.ReLU()]
    d = [down(3, widths[-1]), nn.LeakyReLU(0.2)]
    for i, o in zip(widths[::-1], widths[-2::-1]):
        d += [down(i, o), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
    G = nn.Sequential(*g, up(widths[-1], 3), nn.Tanh())
    D = nn.Sequential(*d, nn.Conv2d(widths[0], 1, 4, bias=False), nn.Flatten())
    side = 4 * 2 ** len(widths)
    return gan(s, G, D, s.input(lambda: torch.rand(n, 3, side, side) * 2 - 1), 100, 1, 1)


def dcgan32(s, n=64):
    return dcgan(s, n, [256, 128, 64])


def dcgan64(s, n=64):
    return dcgan(s, n, [512, 256, 128, 64])


def up5(i, o, stride, bias):
    return nn.ConvTranspose2d(i, o, 5, stride, 2, stride - 1, bias=bias)


def dcgan28(s, n=32):
    act, down5 = lambda: nn.LeakyReLU(0.3), lambda i, o: nn.Conv2d(i, o, 5, 2, 2)
    G = nn.Sequential(
        rows(nn.Linear(100, 12544, bias=False), 7, 7, 256), nn.BatchNorm1d(12544), act(), nn.Unflatten(1, (256, 7, 7)),
        up5(256, 128, 1, False), nn.BatchNorm2d(128), act(), up5(128, 64, 2, False), nn.BatchNorm2d(64), act(),
        up5(64, 1, 2, False), nn.Tanh())
    D = nn.Sequential(
        down5(1, 64), act(), nn.Dropout(0.3), down5(64, 128), act(), nn.Dropout(0.3),
        nn.Flatten(), columns(nn.Linear(6272, 1), 7, 7, 128))
    return gan(s, G, D, s.input(lambda: torch.rand(n, 1, 28, 28) * 2 - 1), 100)


def dcgan28x128(s, n=64):
    act, down5 = lambda: nn.LeakyReLU(0.2), lambda i, stride: nn.Conv2d(i, 128, 5, stride, 2)
    G = nn.Sequential(
        rows(nn.Linear(100, 6272), 7, 7, 128), act(), nn.Unflatten(1, (128, 7, 7)),
        up5(128, 128, 1, True), act(), up5(128, 128, 2, True), act(), up5(128, 128, 2, True), act(),
        nn.Conv2d(128, 1, 5, 1, 2), nn.Tanh())
    D = nn.Sequential(
        down5(1, 1), act(), nn.Dropout(0.3), down5(128, 2), act(), nn.Dropout(0.3), down5(128, 2), act(), nn.Dropout(0.3),
        nn.Flatten(), columns(nn.Linear(6272, 1), 7, 7, 128))
    return gan(s, G, D, s.input(lambda: torch.rand(n, 1, 28, 28) * 2 - 1), 100)


WORKLOADS = dict(mlp=mlp, mlpgan=mlpgan, densegan=densegan, cnn=cnn, gpt=gpt, lstm=lstm, dcgan32=dcgan32, dcgan28=dcgan28,
                 dcgan28x128=dcgan28x128, dcgan64=dcgan64)


# ---- running

def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def serve(step):
    print("ready", flush=True)
    for line in sys.stdin:
        steps, threads = map(int, line.split())
        torch.set_num_threads(threads)
        for _ in range(steps):
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            print(f"{1000 * (time.perf_counter() - wall):.6f} {1000 * (time.process_time() - cpu):.6f}")
        print(f"done 0 0 0 {peak_memory()}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=WORKLOADS)
    parser.add_argument("--expert", action="store_true")
    parser.add_argument("--check", metavar="FOLDER")
    o = parser.parse_args()
    if o.check:
        step = WORKLOADS[o.name](Setting(o.expert, Saved(o.check)))
        for _ in range(5):
            print(*step(), flush=True)
        del step
    serve(WORKLOADS[o.name](Setting(o.expert)))


if __name__ == "__main__":
    main()
