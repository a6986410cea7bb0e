-- A GAN of wide perceptrons: nearly all of it is weights.
local bench = dofile("tests/bench/bench.lua")
local N = bench.batch(64)

local x = tensor.rand(N, 784) * 2 - 1
local G = nn.Sequential {nn.Linear(100, 6272), nn.LeakyReLU(0.2), nn.Linear(6272, 784), nn.Tanh()}
local D = nn.Sequential {nn.Linear(784, 784), nn.LeakyReLU(0.2), nn.Linear(784, 1)}
local t = gan.Trainer {
  generator = G, discriminator = D, latent = 100, loss = "bce-logits",
  data = data.loader(data.tensors(x), {batch = N}),
  optim_g = optim.Adam(G:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
  optim_d = optim.Adam(D:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
}

bench.gan(t, {G, D}, {x})
