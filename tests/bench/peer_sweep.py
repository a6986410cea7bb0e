"""The PyTorch side of the sweep: as sweep.lua, it times the ops of sweep.txt when told to."""
import os
import sys
import time

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def from_zero(dims):
    return [d - 1 for d in dims] if isinstance(dims, list) else dims - 1


def reduction(f):
    return lambda x, dims=None: f(x) if dims is None else f(x, dim=from_zero(dims))


def norm(x, w, b):
    return F.batch_norm(x, None, None, w, b, True)


def attention(q, k, v, is_causal=""):
    return F.scaled_dot_product_attention(q, k, v, is_causal=bool(is_causal))


# by the names and options that gander's ops have; those of images get N,C,H,W
IMAGES = {
    "conv2d": F.conv2d, "conv_transpose2d": F.conv_transpose2d, "batch_norm": norm,
    "max_pool2d": lambda x, kernel, **o: F.max_pool2d(x, kernel, **o),
    "avg_pool2d": lambda x, kernel, **o: F.avg_pool2d(x, kernel, **o),
    "upsample": lambda x, size, mode="nearest": F.interpolate(x, size, mode=mode),
}
OPS = {
    "linear": F.linear, "matmul": torch.matmul, "layer_norm": lambda x, w, b: F.layer_norm(x, w.shape, w, b),
    "softmax": lambda x, dim: x.softmax(dim - 1), "log_softmax": lambda x, dim: x.log_softmax(dim - 1),
    "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "exp": torch.exp, "gelu": F.gelu,
    "leaky_relu": F.leaky_relu, "add": torch.add, "mul": torch.mul,
    "sum": reduction(torch.sum), "mean": reduction(torch.mean), "var": reduction(torch.var),
    "max": reduction(torch.amax), "logsumexp": reduction(torch.logsumexp),
    "cat": lambda *x, dim: torch.cat(x, dim - 1), "permute": lambda x, order: x.permute(from_zero(order)).contiguous(),
    "transpose": lambda x, a, b: x.transpose(a - 1, b - 1).contiguous(),
    "scaled_dot_product_attention": attention,
    "embedding": F.embedding, "gather": lambda x, indices, dim: x.gather(dim - 1, indices),
    "scatter_add": lambda x, indices, source, dim: x.scatter_add(dim - 1, indices, source),
    "narrow": lambda x, dim, n, **o: x.narrow(dim - 1, o["from"] - 1, n).contiguous(),
    "randint": lambda low, high, shape: torch.randint(low, high + 1, shape), "randperm": lambda n: torch.randperm(n),
    "rand": lambda shape: torch.rand(shape), "randn": lambda shape: torch.randn(shape), "silu": F.silu,
}



def numbers(text):
    values = [int(n) if n.lstrip("-").isdigit() else float(n) for n in text.split(",")]
    return values if len(values) > 1 else values[0]


class Row:
    def __init__(self, line):
        self.op, _, *words = line.split()
        self.inputs, self.options = [], {}
        for word in words:
            if "=" in word:
                name, value = word.split("=")
                self.options[name] = value if value.isalpha() else numbers(value)
            else:
                self.inputs.append(self.make(*word.split("<")))
        f = {**IMAGES, **OPS}[self.op]
        self.call = lambda: f(*self.inputs, **self.options)

    def make(self, sides, most=None):
        shape = [int(n) for n in sides.split(",")]
        if self.op in IMAGES and len(shape) == 4:  # N,H,W,C, and weights KH,KW,I,O
            order = (0, 3, 1, 2) if not self.inputs else (3, 2, 0, 1)
            shape = [shape[i] for i in order]
        return torch.randint(int(most), shape) if most else torch.randn(shape)

    def task(self, which):
        """What is timed, as a function. A gradient that is but a view of another is no result yet."""
        if which == "f":
            return self.call
        inputs = self.inputs if which == "a" else [self.inputs[int(which) - 1]]
        for x in inputs:
            x.requires_grad_()
        y = self.call()
        gradient = torch.randn(y.shape)
        return lambda: [d.contiguous() for d in torch.autograd.grad(y, inputs, gradient, retain_graph=True)]

    def time(self, which, times):
        run = self.task(which)
        run()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(times):
            run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        for x in self.inputs:
            x.requires_grad_(False)
        return 1000 * wall / times, 1000 * cpu / times


def main():
    lines = open(f"{HERE}/sweep.txt").read().splitlines()
    row = kept = None
    print("ready", flush=True)
    for order in sys.stdin:
        number, which, times, threads = order.split()
        if kept != number:
            row, kept = Row(lines[int(number) - 1]), number
        torch.set_num_threads(int(threads))
        print("{:.9f} {:.9f}\ndone".format(*row.time(which, int(times))), flush=True)


if __name__ == "__main__":
    main()
