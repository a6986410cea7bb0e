-- 5-gan-ring.lua  **  A GAN in the plane: eight clusters on a ring, and points that learn to fall on them.
-- Watch it lose modes and find them again; try --lr 1e-3, or --loss hinge.

local o = args {
  steps = {5000, "updates of the generator"},
  batch = {256, "points in a step"},
  lr = {5e-4, "learning rate"},
  modes = {8, "clusters on the ring"},
  loss = {"bce-logits", "bce-logits, lsgan, hinge, wgan or wgan-gp"},
  out = {"out", "folder for pictures when there is no window"},
}

local function mlp(input, output)
  return nn.Sequential {
    nn.Linear(input, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, output),
  }
end

G, D = mlp(16, 2), mlp(2, 1)
t = gan.Trainer {
  generator = G, discriminator = D, latent = 16, samples = 512, loss = o.loss,
  data = data.loader(data.ring {modes = o.modes, n = 20000}, {batch = o.batch, shuffle = true, drop_last = true}),
  optim_g = optim.Adam(G:parameters(), {lr = o.lr, betas = {0.5, 0.999}}),
  optim_d = optim.Adam(D:parameters(), {lr = o.lr, betas = {0.5, 0.999}}),
}
w = window.open {title = "GAN on a ring", out = o.out}
w:watch(t)
t:run {steps = o.steps}
