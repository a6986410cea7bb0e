-- The main job's GAN and a small classifier, as tests use them.
local networks = {}

local function up(input, output, stride)
  return nn.ConvTranspose2d(input, output, 5, {stride = stride, padding = 2, output_padding = stride - 1, bias = false})
end

-- width scales the channels: 64 is the main job.
function networks.generator(width)
  return nn.Sequential {
    nn.Linear(100, 7 * 7 * 4 * width, {bias = false}), nn.BatchNorm(7 * 7 * 4 * width), nn.LeakyReLU(0.3),
    nn.Reshape(7, 7, 4 * width),
    up(4 * width, 2 * width, 1), nn.BatchNorm(2 * width), nn.LeakyReLU(0.3),
    up(2 * width, width, 2), nn.BatchNorm(width), nn.LeakyReLU(0.3),
    up(width, 1, 2), nn.Tanh(),
  }
end

function networks.discriminator(width)
  return nn.Sequential {
    nn.Conv2d(1, width, 5, {stride = 2, padding = 2}), nn.LeakyReLU(0.3), nn.Dropout(0.3),
    nn.Conv2d(width, 2 * width, 5, {stride = 2, padding = 2}), nn.LeakyReLU(0.3), nn.Dropout(0.3),
    nn.Flatten(), nn.Linear(7 * 7 * 2 * width, 1),
  }
end

function networks.gan(width, batch, options)
  local G, D = networks.generator(width), networks.discriminator(width)
  local settings = {
    generator = G, discriminator = D, latent = 100, loss = "bce-logits", samples = 4,
    data = data.loader(data.glyphs(40 * batch), {batch = batch, shuffle = true, drop_last = true}),
    optim_g = optim.Adam(G:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
    optim_d = optim.Adam(D:parameters(), {lr = 2e-4, betas = {0.5, 0.999}}),
  }
  for name, value in pairs(options or {}) do settings[name] = value end
  return gan.Trainer(settings), G, D
end

function networks.classifier(batch)
  local net = nn.Sequential {
    nn.Conv2d(1, 8, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(7 * 7 * 16, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10),
  }
  local set = data.glyphs(40 * batch)
  return nn.Trainer {
    model = net, loss = nn.CrossEntropyLoss(), optim = optim.Adam(net:parameters(), {lr = 1e-3}),
    data = data.loader(set, {batch = batch, shuffle = true}),
  }, net
end

-- A text that is the same only if every bit of every parameter and buffer is.
function networks.bits(...)
  local parts = {}
  for _, net in ipairs {...} do
    for _, p in ipairs(net:parameters()) do
      for _, value in ipairs(p:detach():flatten():totable()) do parts[#parts + 1] = string.pack("<d", value) end
    end
  end
  return table.concat(parts)
end

return networks
