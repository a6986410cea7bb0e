-- A DCGAN for pictures of 28x28 with 128 channels all the way.
local bench = dofile("tests/bench/bench.lua")
local N = bench.batch(64)

local function up(stride)
  return nn.ConvTranspose2d(128, 128, 5, {stride = stride, padding = 2, output_padding = stride - 1})
end

local function down(input, stride)
  return nn.Conv2d(input, 128, 5, {stride = stride, padding = 2})
end

local x = tensor.rand(N, 28, 28, 1) * 2 - 1
local G = nn.Sequential {
  nn.Linear(100, 7 * 7 * 128), nn.LeakyReLU(0.2), nn.Reshape(7, 7, 128),
  up(1), nn.LeakyReLU(0.2), up(2), nn.LeakyReLU(0.2), up(2), nn.LeakyReLU(0.2),
  nn.Conv2d(128, 1, 5, {padding = 2}), nn.Tanh(),
}
local D = nn.Sequential {
  down(1, 1), nn.LeakyReLU(0.2), nn.Dropout(0.3),
  down(128, 2), nn.LeakyReLU(0.2), nn.Dropout(0.3),
  down(128, 2), nn.LeakyReLU(0.2), nn.Dropout(0.3),
  nn.Flatten(), nn.Linear(7 * 7 * 128, 1),
}
local t = gan.Trainer {
  generator = G, discriminator = D, latent = 100, loss = "bce-logits",
  data = data.loader(data.tensors(x), {batch = N}),
  optim_g = optim.Adam(G:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
  optim_d = optim.Adam(D:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
}

bench.gan(t, {G, D}, {x})
