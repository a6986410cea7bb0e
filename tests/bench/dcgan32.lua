-- A DCGAN for pictures of 32x32 in colour (Radford et al. 2015).
local bench = dofile("tests/bench/bench.lua")
local N = bench.batch(64)

local function up(input, output)
  return nn.ConvTranspose2d(input, output, 4, {stride = 2, padding = 1, bias = false})
end

local function down(input, output)
  return nn.Conv2d(input, output, 4, {stride = 2, padding = 1, bias = false})
end

local x = tensor.rand(N, 32, 32, 3) * 2 - 1
local G = nn.Sequential {
  nn.ConvTranspose2d(100, 256, 4, {bias = false}), nn.BatchNorm(256), nn.ReLU(),
  up(256, 128), nn.BatchNorm(128), nn.ReLU(),
  up(128, 64), nn.BatchNorm(64), nn.ReLU(),
  up(64, 3), nn.Tanh(),
}
local D = nn.Sequential {
  down(3, 64), nn.LeakyReLU(0.2),
  down(64, 128), nn.BatchNorm(128), nn.LeakyReLU(0.2),
  down(128, 256), nn.BatchNorm(256), nn.LeakyReLU(0.2),
  nn.Conv2d(256, 1, 4, {bias = false}), nn.Flatten(),
}
local t = gan.Trainer {
  generator = G, discriminator = D, latent = {1, 1, 100}, loss = "bce-logits",
  data = data.loader(data.tensors(x), {batch = N}),
  optim_g = optim.Adam(G:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
  optim_d = optim.Adam(D:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
}

bench.gan(t, {G, D}, {x})
