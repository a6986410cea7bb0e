"""Records what PyTorch computes, for tests/recorded.lua to compare gander with.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy
    /tmp/peer/bin/python tests/record.py            # writes tests/recorded/*.lua

Every case is a Lua expression over named inputs and the same in PyTorch. Images are N,H,W,C on both sides; the
functions below turn them to PyTorch's N,C,H,W and back. Gradients are those of sum(out * r), r_i = cos(i).
"""
import gzip
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded")
torch.manual_seed(1)
torch.set_default_dtype(torch.float32)
rng = np.random.default_rng(7)


def randn(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def rand(*shape):
    return rng.random(shape).astype(np.float32)


def labels(n, *shape):
    return rng.integers(1, n + 1, shape).astype(np.float32)


# ---- layouts

def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(x, w, b, **options):  # weight (KH,KW,in,out)
    return nhwc(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), b, **options))


def conv_transpose(x, w, b, **options):  # weight (KH,KW,out,in)
    return nhwc(F.conv_transpose2d(nchw(x), w.permute(3, 2, 0, 1), b, **options))


def batch_norm(x, w, b, mean, var, training):
    flat = x.reshape(-1, x.shape[-1])
    return F.batch_norm(flat, mean, var, w, b, training, 0.1, 1e-5).reshape(x.shape)


def index(t):
    return t.long() - 1


# ---- cases: name, Lua, inputs, PyTorch; an input whose name starts with k is a constant

x23, y23, y3 = randn(2, 3), randn(2, 3), randn(3)
positive = rand(2, 3) + 0.5
unit = rand(2, 3) * 0.9 + 0.05
image, image5 = randn(2, 6, 5, 3), randn(2, 5, 5, 4)
target2 = np.array([[1, 0, 1], [0, 0, 1]], np.float32)

cases = []


def case(name, lua, inputs, f):
    cases.append((name, lua, inputs, f))


for name in "neg abs exp square sin cos tanh sigmoid erf relu gelu silu softplus".split():
    f = getattr(torch, name, None) or getattr(F, name)
    case(name, f"x:{name}()", dict(x=x23 * 2), f)
case("sign", "kx:sign()", dict(kx=x23), torch.sign)
for name in "log log1p sqrt rsqrt".split():
    case(name, f"x:{name}()", dict(x=positive), getattr(torch, name))
case("leaky_relu", "x:leaky_relu(0.3)", dict(x=x23), lambda x: F.leaky_relu(x, 0.3))
case("elu", "x:elu(0.7)", dict(x=x23), lambda x: F.elu(x, 0.7))
case("clamp", "x:clamp(-0.5, 0.8)", dict(x=x23), lambda x: x.clamp(-0.5, 0.8))
for name, sign in (("add", "+"), ("sub", "-"), ("mul", "*"), ("div", "/")):
    case(name, f"a {sign} b", dict(a=x23, b=y3), getattr(torch, name))
    case(name + " number", f"2.5 {sign} a", dict(a=positive), lambda a, n=name: getattr(torch, n)(torch.tensor(2.5), a))
case("pow", "a ^ b", dict(a=positive, b=y3), torch.pow)
case("pow number", "a ^ 3", dict(a=x23), lambda a: a ** 3)
case("maximum", "a:maximum(b)", dict(a=x23, b=y3), torch.maximum)
case("minimum", "a:minimum(b)", dict(a=x23, b=y3), torch.minimum)
for name in "eq ne lt le gt ge".split():
    case(name, f"ka:{name}(kb)", dict(ka=np.round(x23), kb=np.round(y3)), lambda a, b, n=name: getattr(torch, n)(a, b).float())
case("where", "kc:where(a, b)", dict(kc=(x23 > 0).astype(np.float32), a=y23, b=y3), lambda c, a, b: torch.where(c > 0, a, b))
cube = randn(2, 3, 4)
for name in "sum mean var std prod logsumexp norm".split():
    torch_all = {"logsumexp": lambda x: torch.logsumexp(x, (0, 1, 2)), "norm": lambda x: torch.linalg.vector_norm(x)}
    case(name, f"x:{name}()", dict(x=cube), torch_all.get(name) or getattr(torch, name))
    one = torch.linalg.vector_norm if name == "norm" else getattr(torch, name)
    case(name + " dim", f"x:{name}(2)", dict(x=cube), lambda x, f=one: f(x, dim=1))
    case(name + " keepdim", f"x:{name}(-1, {{keepdim=true}})", dict(x=cube), lambda x, f=one: f(x, dim=-1, keepdim=True))
case("sum dims", "x:sum({1, 3})", dict(x=cube), lambda x: x.sum((0, 2)))
case("var biased", "x:var(2, {unbiased=false})", dict(x=cube), lambda x: x.var(1, unbiased=False))
case("max", "x:max(2)", dict(x=cube), lambda x: x.amax(1))
case("min", "x:min()", dict(x=cube), lambda x: x.amin())
case("argmax", "kx:argmax(2)", dict(kx=cube), lambda x: x.argmax(1).float() + 1)
case("argmin", "kx:argmin(3)", dict(kx=cube), lambda x: x.argmin(2).float() + 1)
case("softmax", "x:softmax(2)", dict(x=cube), lambda x: x.softmax(1))
case("log_softmax", "x:log_softmax(-1)", dict(x=cube), lambda x: x.log_softmax(-1))
case("reshape", "x:reshape(4, -1)", dict(x=cube), lambda x: x.reshape(4, -1))
case("flatten", "x:flatten(2)", dict(x=cube), lambda x: x.flatten(1))
case("transpose", "x:transpose(1, 3)", dict(x=cube), lambda x: x.transpose(0, 2))
case("permute", "x:permute(3, 1, 2)", dict(x=cube), lambda x: x.permute(2, 0, 1))
case("narrow", "x:narrow(3, 2, 2)", dict(x=cube), lambda x: x.narrow(2, 1, 2))
case("select", "x:select(2, 3)", dict(x=cube), lambda x: x.select(1, 2))
case("index", "x[2][1]", dict(x=cube), lambda x: x[1][0])
case("cat", "tensor.cat({a, b}, 2)", dict(a=cube, b=randn(2, 1, 4)), lambda a, b: torch.cat((a, b), 1))
case("stack", "tensor.stack({a, b}, 2)", dict(a=x23, b=y23), lambda a, b: torch.stack((a, b), 1))
case("expand", "x:expand(2, 4, 3)", dict(x=randn(2, 1, 3)), lambda x: x.expand(2, 4, 3))
case("repeat", "x[\"repeat\"](x, 2, 3)", dict(x=x23), lambda x: x.repeat(2, 3))
case("flip", "x:flip({1, 3})", dict(x=cube), lambda x: x.flip(0, 2))
case("index_select", "x:index_select(2, ki)", dict(x=cube, ki=labels(3, 5)), lambda x, i: x.index_select(1, index(i)))
case("gather", "x:gather(3, ki)", dict(x=cube, ki=labels(4, 2, 3, 2)), lambda x, i: x.gather(2, index(i)))
case("matmul", "a:matmul(b)", dict(a=randn(3, 4), b=randn(4, 5)), torch.matmul)
case("matmul batch", "a:matmul(b)", dict(a=randn(2, 1, 3, 4), b=randn(5, 4, 2)), torch.matmul)
case("linear", "x:linear(w, b)", dict(x=randn(4, 3), w=randn(5, 3), b=randn(5)), F.linear)
case("conv2d", "x:conv2d(w, b)", dict(x=image, w=randn(3, 3, 3, 4), b=randn(4)), conv)
case("conv2d stride", "x:conv2d(w, b, {stride=2, padding=1})", dict(x=image, w=randn(4, 4, 3, 4), b=randn(4)),
     lambda x, w, b: conv(x, w, b, stride=2, padding=1))
case("conv2d uneven", "x:conv2d(w, nil, {stride={2, 1}, padding={0, 2}, dilation={1, 2}})", dict(x=image, w=randn(3, 2, 3, 5)),
     lambda x, w: conv(x, w, None, stride=(2, 1), padding=(0, 2), dilation=(1, 2)))
case("conv_transpose2d", "x:conv_transpose2d(w, b)", dict(x=image5, w=randn(3, 3, 2, 4), b=randn(2)), conv_transpose)
case("conv_transpose2d stride", "x:conv_transpose2d(w, b, {stride=2, padding=2, output_padding=1})",
     dict(x=image5, w=randn(5, 5, 3, 4), b=randn(3)), lambda x, w, b: conv_transpose(x, w, b, stride=2, padding=2, output_padding=1))
case("conv_transpose2d uneven", "x:conv_transpose2d(w, nil, {stride={2, 3}, padding={1, 0}, dilation={2, 1}})",
     dict(x=image5, w=randn(2, 4, 3, 4)), lambda x, w: conv_transpose(x, w, None, stride=(2, 3), padding=(1, 0), dilation=(2, 1)))
case("max_pool2d", "x:max_pool2d(3, {stride=2, padding=1})", dict(x=image), lambda x: nhwc(F.max_pool2d(nchw(x), 3, 2, 1)))
case("avg_pool2d", "x:avg_pool2d({2, 3}, {stride=1})", dict(x=image), lambda x: nhwc(F.avg_pool2d(nchw(x), (2, 3), 1)))
case("upsample nearest", "x:upsample({12, 8})", dict(x=image), lambda x: nhwc(F.interpolate(nchw(x), size=(12, 8))))
case("upsample bilinear", "x:upsample({9, 13}, {mode=\"bilinear\"})", dict(x=image),
     lambda x: nhwc(F.interpolate(nchw(x), size=(9, 13), mode="bilinear")))
bn = dict(x=image, w=rand(3) + 0.5, b=randn(3), km=randn(3), kv=rand(3) + 0.5)
case("batch_norm", "x:batch_norm(w, b, km, kv)", bn, lambda x, w, b, m, v: batch_norm(x, w, b, m.clone(), v.clone(), True))
case("batch_norm eval", "x:batch_norm(w, b, km, kv, {training=false})", bn, lambda x, w, b, m, v: batch_norm(x, w, b, m, v, False))
case("layer_norm", "x:layer_norm(w, b)", dict(x=cube, w=rand(4), b=randn(4)), lambda x, w, b: F.layer_norm(x, (4,), w, b))
case("embedding", "ki:embedding(w)", dict(ki=labels(5, 2, 3), w=randn(5, 4)), lambda i, w: F.embedding(index(i), w))

# layers, with PyTorch's defaults for what is not given
case("nn.LeakyReLU", "nn.LeakyReLU()(x)", dict(x=x23), torch.nn.LeakyReLU())
case("nn.ELU", "nn.ELU()(x)", dict(x=x23), torch.nn.ELU())
case("nn.GELU", "nn.GELU()(x)", dict(x=x23), torch.nn.GELU())
case("nn.Softplus", "nn.Softplus()(x)", dict(x=x23), torch.nn.Softplus())
case("nn.BatchNorm", "nn.BatchNorm(3)(x)", dict(x=image), lambda x: nhwc(torch.nn.BatchNorm2d(3)(nchw(x))))
case("nn.LayerNorm", "nn.LayerNorm(3)(x)", dict(x=image), torch.nn.LayerNorm(3))
case("nn.MaxPool2d", "nn.MaxPool2d(2)(x)", dict(x=image), lambda x: nhwc(F.max_pool2d(nchw(x), 2)))
case("nn.AvgPool2d", "nn.AvgPool2d(2)(x)", dict(x=image), lambda x: nhwc(F.avg_pool2d(nchw(x), 2)))
case("nn.Flatten", "nn.Flatten()(x)", dict(x=image), lambda x: x.flatten(1))

# losses: mean, sum and none
logits, target = randn(4, 5), labels(5, 4)
for reduction in ("mean", "sum", "none"):
    option = f"{{reduction=\"{reduction}\"}}"

    def loss(name, lua, inputs, f, r=reduction):
        case(f"{name} {r}", lua, inputs, lambda *a: f(*a, reduction=r))

    loss("MSELoss", f"nn.MSELoss{option}(a, b)", dict(a=x23, b=y23), F.mse_loss)
    loss("L1Loss", f"nn.L1Loss{option}(a, b)", dict(a=x23, b=y23), F.l1_loss)
    loss("BCELoss", f"nn.BCELoss{option}(a, kb)", dict(a=unit, kb=target2), F.binary_cross_entropy)
    loss("BCEWithLogitsLoss", f"nn.BCEWithLogitsLoss{option}(a, kb)", dict(a=x23 * 3, kb=target2), F.binary_cross_entropy_with_logits)
    loss("CrossEntropyLoss", f"nn.CrossEntropyLoss{option}(a, kt)", dict(a=logits, kt=target),
         lambda a, t, reduction: F.cross_entropy(a, index(t), reduction=reduction))
    loss("CrossEntropyLoss smoothed", f"nn.CrossEntropyLoss{{reduction=\"{reduction}\", label_smoothing=0.1}}(a, kt)", dict(a=logits, kt=target),
         lambda a, t, reduction: F.cross_entropy(a, index(t), reduction=reduction, label_smoothing=0.1))
case("HingeLoss", "nn.HingeLoss()(a, kb)", dict(a=x23, kb=target2 * 2 - 1), lambda a, b: torch.relu(1 - a * b).mean())

# sequences, from numbers of their own, so that the others stay as they are
rng, others = np.random.default_rng(8), rng
lstm_inputs = dict(x=randn(2, 4, 3), wi=randn(8, 3), wh=randn(8, 2), bi=randn(8), bh=randn(8), h=randn(2, 2), c=randn(2, 2))


def lstm(x, wi, wh, bi, bh, h, c):
    return torch._VF.lstm(x, (h[None], c[None]), [wi, wh, bi, bh], True, 1, 0.0, False, False, True)


case("lstm output", "x:linear(wi, bi + bh):lstm(wh, nil, h, c)[1]", lstm_inputs, lambda *a: lstm(*a)[0])
case("lstm cell", "x:linear(wi, bi + bh):lstm(wh, nil, h, c)[2]:select(2, 4)", lstm_inputs, lambda *a: lstm(*a)[2][0])
case("lstm hidden", "x:linear(wi, bi + bh):lstm(wh, nil, h, c)[1]:select(2, 4)", lstm_inputs, lambda *a: lstm(*a)[1][0])


def ten_steps(name, constructor, lua_class, shapes, forward, lr=0.5):
    """Ten losses of a layer trained by SGD from given weights; a Lua expression of the weights, and the same in PyTorch."""
    weights = {f"k{i}": randn(*shape) * np.float32(0.5) for i, shape in enumerate(shapes)}
    inputs = dict(weights, kx=randn(3, 5, 4), ky=randn(3, 5, 4))
    lua = (f"(function() local net, losses = {lua_class}, {{}} for i, p in ipairs(net:parameters()) do "
           "tensor.no_grad(function() p:copy_(({" + ", ".join(weights) + "})[i]) end) end "
           f"local opt = optim.SGD(net:parameters(), {{lr={lr}}}) for step = 1, 10 do opt:zero_grad() "
           "local loss = ((net(kx)) - ky):square():mean() loss:backward() opt:step() losses[step] = loss:item() end "
           "return tensor(losses) end)()")

    def run(*given):
        net, losses = constructor(), []
        parameters = dict(net.named_parameters())
        with torch.no_grad():
            for p, value in zip(parameters.values(), given):
                p.copy_(value)
        opt = torch.optim.SGD(net.parameters(), lr=lr)
        for _ in range(10):
            opt.zero_grad()
            loss = (forward(net, given[-2]) - given[-1]).square().mean()
            loss.backward()
            opt.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    case(name, lua, inputs, run)


ten_steps("nn.LSTM training", lambda: torch.nn.LSTM(4, 4, 2, batch_first=True), "nn.LSTM(4, 4, {num_layers=2})",
               [(16, 4), (16, 4), (16,), (16,)] * 2, lambda net, x: net(x)[0])
attention_inputs = dict(q=randn(2, 3, 4, 5), k=randn(2, 3, 4, 5), v=randn(2, 3, 4, 2))
case("attention", "q:scaled_dot_product_attention(k, v)", attention_inputs, F.scaled_dot_product_attention)
case("attention causal", "q:scaled_dot_product_attention(k, v, {is_causal=true})", attention_inputs,
     lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))


def causal_attention(net, x):
    return net(x, x, x, attn_mask=torch.nn.Transformer.generate_square_subsequent_mask(5), is_causal=True, need_weights=False)[0]


ten_steps("nn.MultiheadAttention training", lambda: torch.nn.MultiheadAttention(4, 2, batch_first=True),
          "nn.MultiheadAttention(4, 2, {causal=true})", [(12, 4), (12,), (4, 4), (4,)], causal_attention)

wide = randn(2, 6, 5, 6)
case("conv2d groups", "x:conv2d(w, b, {padding=1, groups=3})", dict(x=wide, w=randn(3, 3, 2, 9), b=randn(9)),
     lambda x, w, b: conv(x, w, b, padding=1, groups=3))
case("conv2d depthwise", "x:conv2d(w, nil, {stride={1, 2}, padding={2, 0}, dilation={1, 2}, groups=6})",
     dict(x=wide, w=randn(3, 2, 1, 12)), lambda x, w: conv(x, w, None, stride=(1, 2), padding=(2, 0), dilation=(1, 2), groups=6))
case("conv_transpose2d groups", "x:conv_transpose2d(w, b, {stride=2, padding=1, groups=2})",
     dict(x=wide, w=randn(3, 4, 2, 6), b=randn(4)), lambda x, w, b: conv_transpose(x, w, b, stride=2, padding=1, groups=2))
case("conv_transpose2d depthwise", "x:conv_transpose2d(w, nil, {stride={2, 1}, output_padding={1, 0}, groups=6})",
     dict(x=wide, w=randn(3, 3, 1, 6)),
     lambda x, w: conv_transpose(x, w, None, stride=(2, 1), output_padding=(1, 0), groups=6))
ten_steps("nn.LSTM bidirectional training", lambda: torch.nn.LSTM(4, 2, 2, batch_first=True, bidirectional=True),
          "nn.LSTM(4, 2, {num_layers=2, bidirectional=true})", [(8, 4), (8, 2), (8,), (8,)] * 4, lambda net, x: net(x)[0])
mask = randn(3, 1, 5)
mask[0, 0, 2] = mask[2, 0, 0] = -1e9
case("attention mask", "q:scaled_dot_product_attention(k, v, km)",
     dict(q=randn(2, 3, 4, 2), k=randn(2, 3, 5, 2), v=randn(2, 3, 5, 3), km=mask),
     lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m))


def masked_attention(net, x):
    padding = torch.zeros(3, 5, dtype=torch.bool)
    padding[1, 3:] = True
    forward = torch.triu(torch.full((5, 5), -1e9), 1)
    return net(x, x, x, key_padding_mask=torch.where(padding, -1e9, 0.0), attn_mask=forward, need_weights=False)[0]


ten_steps("nn.MultiheadAttention masks", lambda: torch.nn.MultiheadAttention(4, 2, batch_first=True),
          "(function() local net = nn.MultiheadAttention(4, 2) "
          "local padding, forward = tensor{{0,0,0,0,0},{0,0,0,1,1},{0,0,0,0,0}}, "
          "tensor.arange(1, 5):gt(tensor.arange(1, 5):reshape(5, 1)) * -1e9 "
          "return setmetatable({parameters = function() return net:parameters() end}, "
          "{__call = function(_, x) return net(x, x, x, padding, forward) end}) end)()",
          [(12, 4), (12,), (4, 4), (4,)], masked_attention)
rng = others

# ---- writing

def lua_tensor(a):
    a = np.asarray(a, np.float32)
    values = ",".join(f"{v:.9g}" for v in a.ravel())
    return f"{{shape={{{','.join(map(str, a.shape))}}},{values}}}"


def cosines(shape):
    n = math.prod(shape)
    return torch.cos(torch.arange(1, n + 1, dtype=torch.float64)).float().reshape(shape)


def record_cases():
    with open(os.path.join(HERE, "cases.lua"), "w") as out:
        out.write("-- Written by tests/record.py: what PyTorch computes.\nreturn {\n")
        for name, lua, inputs, f in cases:
            tensors = {k: torch.tensor(v, requires_grad=not k.startswith("k")) for k, v in inputs.items()}
            y = f(*tensors.values())
            grads = {}
            if y.requires_grad:
                (y * cosines(tuple(y.shape))).sum().backward()
                grads = {k: t.grad for k, t in tensors.items() if t.grad is not None}
            out.write(f"{{name={name!r}, code=[=[{lua}]=],\n inputs={{")
            out.write(", ".join(f"{k}={lua_tensor(v)}" for k, v in inputs.items()))
            out.write(f"}},\n out={lua_tensor(y.detach())},\n grads={{")
            out.write(", ".join(f"{k}={lua_tensor(g)}" for k, g in grads.items()) + "}},\n")
        out.write("}\n")
    print(len(cases), "cases")


optimizers = [
    ("optim.SGD(p, {lr=0.1})", lambda p: torch.optim.SGD(p, lr=0.1)),
    ("optim.SGD(p, {lr=0.1, momentum=0.9, weight_decay=0.01})", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
    ("optim.SGD(p, {lr=0.1, momentum=0.9, nesterov=true})", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    ("optim.RMSprop(p, {lr=0.01})", lambda p: torch.optim.RMSprop(p, lr=0.01)),
    ("optim.RMSprop(p, {lr=0.01, momentum=0.5, alpha=0.9})", lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, alpha=0.9)),
    ("optim.Adam(p, {lr=0.05})", lambda p: torch.optim.Adam(p, lr=0.05)),
    ("optim.Adam(p, {lr=0.05, betas={0.5, 0.999}, weight_decay=0.1})", lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.5, 0.999), weight_decay=0.1)),
    ("optim.AdamW(p, {lr=0.05})", lambda p: torch.optim.AdamW(p, lr=0.05)),
]
schedules = [
    ("optim.StepLR(o, {step_size=3, gamma=0.5})", lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
    ("optim.ExponentialLR(o, {gamma=0.9})", lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
    ("optim.CosineAnnealingLR(o, {T_max=8})", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8)),
    ("optim.LinearLR(o, {start_factor=0.25, total_iters=4})", lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.25, total_iters=4)),
]


def train(make_optimizer, make_schedule=None):
    """Ten steps of a two-layer network from given weights; returns losses, learning rates and the last weights."""
    w1, w2 = (torch.tensor(w, requires_grad=True) for w in (net["w1"], net["w2"]))
    x, y = torch.tensor(net["x"]), torch.tensor(net["y"])
    o = make_optimizer([w1, w2])
    s = make_schedule(o) if make_schedule else None
    losses, rates = [], []
    for _ in range(10):
        o.zero_grad()
        loss = F.mse_loss(torch.tanh(x @ w1) @ w2, y)
        loss.backward()
        rates.append(o.param_groups[0]["lr"])
        o.step()
        if s:
            s.step()
        losses.append(loss.item())
    return losses, rates, w1.detach(), w2.detach()


net = dict(w1=randn(3, 8), w2=randn(8, 2), x=randn(6, 3), y=randn(6, 2))


def record_training():
    with open(os.path.join(HERE, "training.lua"), "w") as out:
        out.write("-- Written by tests/record.py: ten steps of training in PyTorch.\nreturn {\n")
        out.write(" net={" + ", ".join(f"{k}={lua_tensor(v)}" for k, v in net.items()) + "},\n")
        plain = [(o, None, p, None) for o, p in optimizers]
        scheduled = [("optim.SGD(p, {lr=0.1})", s, optimizers[0][1], q) for s, q in schedules]
        for optimizer, schedule, make, make_schedule in plain + scheduled:
            losses, rates, w1, w2 = train(make, make_schedule)
            out.write(f"{{optimizer=[[{optimizer}]], schedule={'[[' + schedule + ']]' if schedule else 'nil'},\n")
            out.write(f" losses={lua_tensor(losses)}, rates={lua_tensor(rates)},\n w1={lua_tensor(w1)}, w2={lua_tensor(w2)}}},\n")
        out.write("}\n")


# ---- the main job's networks for twenty steps. Weights, noise and dropout masks come from gander's own stream, made
# again here: Philox 4x32-10, four numbers a block, each call beginning on a new block.

class Stream:
    def __init__(self, seed, position=0):
        self.seed, self.position = seed, position

    def words(self, n):
        blocks = (n + 3) // 4
        counter = np.arange(self.position, self.position + blocks, dtype=np.uint64)
        self.position += blocks
        low = np.uint64(0xFFFFFFFF)
        c = [counter & low, counter >> np.uint64(32), np.zeros_like(counter), np.zeros_like(counter)]
        k0, k1 = self.seed & 0xFFFFFFFF, self.seed >> 32
        for _ in range(10):
            a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
            c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        return np.stack(c, 1)

    def uniform(self, *shape):
        n = math.prod(shape)
        return ((self.words(n) >> np.uint64(8)) / 16777216.0).astype(np.float32).ravel()[:n].reshape(shape)

    def normal(self, *shape):
        n = math.prod(shape)
        w = self.words(n)
        r = np.sqrt(-2 * np.log(1 - (w[:, 0::2] >> np.uint64(8)) / 16777216.0))
        angle = 6.283185307179586 * w[:, 1::2] / 4294967296.0
        return np.stack([r * np.cos(angle), r * np.sin(angle)], 2).astype(np.float32).ravel()[:n].reshape(shape)


FASHION = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"
BATCH, STEPS = 64, 20


def fashion(n):
    with gzip.open(FASHION) as f:
        f.read(16)
        pixels = np.frombuffer(f.read(n * 784), np.uint8).reshape(n, 28, 28, 1)
    return pixels.astype(np.float32) / 127.5 - 1


def weight(number, *shape):
    return torch.tensor(Stream(1000 + number).normal(*shape) * np.float32(0.02), requires_grad=True)


def gan_parameters():
    ones = lambda n: torch.ones(n, requires_grad=True)
    zeros = lambda n: torch.zeros(n, requires_grad=True)
    g = [weight(1, 12544, 100), ones(12544), zeros(12544), weight(2, 5, 5, 128, 256), ones(128), zeros(128),
         weight(3, 5, 5, 64, 128), ones(64), zeros(64), weight(4, 5, 5, 1, 64)]
    d = [weight(5, 5, 5, 1, 64), zeros(64), weight(6, 5, 5, 64, 128), zeros(128), weight(7, 1, 6272), zeros(1)]
    return g, d


def generate(g, z):
    same = lambda x, w, stride: conv_transpose(x, w, None, stride=stride, padding=2, output_padding=stride - 1)
    norm = lambda x, w, b: F.leaky_relu(batch_norm(x, w, b, None, None, True), 0.3)
    x = norm(F.linear(z, g[0]), g[1], g[2]).reshape(-1, 7, 7, 256)
    x = norm(same(x, g[3], 1), g[4], g[5])
    x = norm(same(x, g[6], 2), g[7], g[8])
    return torch.tanh(same(x, g[9], 2))


def discriminate(d, x, stream):
    def dropout(x):
        keep = torch.tensor(stream.uniform(*x.shape) >= np.float32(0.3))
        return x * keep / 0.7

    x = dropout(F.leaky_relu(conv(x, d[0], d[1], stride=2, padding=2), 0.3))
    x = dropout(F.leaky_relu(conv(x, d[2], d[3], stride=2, padding=2), 0.3))
    return F.linear(x.flatten(1), d[4], d[5])


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def record_dcgan():
    g, d = gan_parameters()
    optim_g = torch.optim.Adam(g, lr=2e-4, betas=(0.5, 0.999))
    optim_d = torch.optim.Adam(d, lr=2e-4, betas=(0.5, 0.999))
    pictures = fashion(BATCH * STEPS)
    losses_d, losses_g = [], []
    for step in range(STEPS):
        stream = Stream(500 + step)
        x = torch.tensor(pictures[step * BATCH:(step + 1) * BATCH])
        with torch.no_grad():
            fake = generate(g, torch.tensor(stream.normal(BATCH, 100)))
        optim_d.zero_grad()
        loss_d = bce(discriminate(d, x, stream), 1.0) + bce(discriminate(d, fake, stream), 0.0)
        loss_d.backward()
        optim_d.step()
        optim_g.zero_grad()
        loss_g = bce(discriminate(d, generate(g, torch.tensor(stream.normal(BATCH, 100))), stream), 1.0)
        loss_g.backward()
        optim_g.step()
        losses_d.append(loss_d.item())
        losses_g.append(loss_g.item())
        print(step + 1, loss_d.item(), loss_g.item())
    with open(os.path.join(HERE, "dcgan.lua"), "w") as out:
        out.write("-- Written by tests/record.py: losses of the first steps of the main job's networks in PyTorch.\n")
        out.write(f"return {{loss_d={lua_tensor(losses_d)},\n loss_g={lua_tensor(losses_g)}}}\n")


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    record_cases()
    record_training()
    record_dcgan()
