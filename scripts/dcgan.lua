-- dcgan.lua  ***  A DCGAN learns to draw clothes, live (Radford et al. 2015).
-- `gander -i scripts/dcgan.lua` leaves a prompt with G, D, t and w while it trains.

local o = args {
  epochs = {0, "times through the data; 0: 2 without a window, 50 with one"},
  steps = {0, "steps instead of epochs"},
  batch = {64, "pictures in a step"},
  lr = {2e-4, "learning rate of both networks"},
  data = {"fashion", "fashion, glyphs, or a folder with MNIST's files"},
  out = {"out", "folder for pictures when there is no window"},
  save = {"", "checkpoint to write at the end"},
  resume = {"", "checkpoint to go on from"},
}

-- 28x28 with 5x5 kernels, padded so that a stride of 2 halves or doubles the side.
local function up(input, output, stride)
  return nn.ConvTranspose2d(input, output, 5, {stride = stride, padding = 2, output_padding = stride - 1, bias = false})
end

local function down(input, output)
  return nn.Conv2d(input, output, 5, {stride = 2, padding = 2})
end

G = nn.Sequential {
  nn.Linear(100, 7 * 7 * 256, {bias = false}), nn.BatchNorm(7 * 7 * 256), nn.LeakyReLU(0.3), nn.Reshape(7, 7, 256),
  up(256, 128, 1), nn.BatchNorm(128), nn.LeakyReLU(0.3),
  up(128, 64, 2), nn.BatchNorm(64), nn.LeakyReLU(0.3),
  up(64, 1, 2), nn.Tanh(),
}
D = nn.Sequential {
  down(1, 64), nn.LeakyReLU(0.3), nn.Dropout(0.3),
  down(64, 128), nn.LeakyReLU(0.3), nn.Dropout(0.3),
  nn.Flatten(), nn.Linear(7 * 7 * 128, 1),
}

t = gan.Trainer {
  generator = G, discriminator = D, latent = 100, loss = "bce-logits",
  data = data.loader(data.named(o.data), {batch = o.batch, shuffle = true, drop_last = true}),
  optim_g = optim.Adam(G:parameters(), {lr = o.lr, betas = {0.5, 0.999}}),
  optim_d = optim.Adam(D:parameters(), {lr = o.lr, betas = {0.5, 0.999}}),
}
if o.resume ~= "" then t:resume(o.resume) end

w = window.open {title = "DCGAN", out = o.out}
w:watch(t)

local epochs = o.epochs > 0 and o.epochs or w.headless and 2 or 50
t:run {epochs = o.steps == 0 and epochs or nil, steps = o.steps > 0 and o.steps or nil}
if o.save ~= "" then t:save(o.save) end
