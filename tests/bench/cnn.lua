-- A convolutional classifier of pictures of 28x28.
local bench = dofile("tests/bench/bench.lua")
local N = bench.batch(64)

local x, labels = tensor.rand(N, 28, 28, 1) * 2 - 1, tensor.randint(1, 10, N)
local net = nn.Sequential {
  nn.Conv2d(1, 32, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2),
  nn.Conv2d(32, 64, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2),
  nn.Flatten(), nn.Linear(7 * 7 * 64, 128), nn.ReLU(), nn.Linear(128, 10),
}
local t = nn.Trainer {
  model = net, loss = nn.CrossEntropyLoss(), optim = optim.Adam(net:parameters(), {lr = 1e-3}),
  data = data.loader(data.tensors(x, labels), {batch = N}),
}

bench.train(t, {net}, {x, labels})
