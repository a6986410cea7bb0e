-- The networks of scripts/dcgan.lua.
local bench = dofile("tests/bench/bench.lua")
local N = bench.batch(32)

local function up(input, output, stride)
  return nn.ConvTranspose2d(input, output, 5, {stride = stride, padding = 2, output_padding = stride - 1, bias = false})
end

local function down(input, output)
  return nn.Conv2d(input, output, 5, {stride = 2, padding = 2})
end

local x = tensor.rand(N, 28, 28, 1) * 2 - 1
local G = nn.Sequential {
  nn.Linear(100, 7 * 7 * 256, {bias = false}), nn.BatchNorm(7 * 7 * 256), nn.LeakyReLU(0.3), nn.Reshape(7, 7, 256),
  up(256, 128, 1), nn.BatchNorm(128), nn.LeakyReLU(0.3),
  up(128, 64, 2), nn.BatchNorm(64), nn.LeakyReLU(0.3),
  up(64, 1, 2), nn.Tanh(),
}
local D = nn.Sequential {
  down(1, 64), nn.LeakyReLU(0.3), nn.Dropout(0.3),
  down(64, 128), nn.LeakyReLU(0.3), nn.Dropout(0.3),
  nn.Flatten(), nn.Linear(7 * 7 * 128, 1),
}
local t = gan.Trainer {
  generator = G, discriminator = D, latent = 100, loss = "bce-logits",
  data = data.loader(data.tensors(x), {batch = N}),
  optim_g = optim.Adam(G:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
  optim_d = optim.Adam(D:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
}

bench.gan(t, {G, D}, {x})
