-- 3-mlp.lua  **  A fully connected classifier, 784-500-10, on pictures of clothes.

local o = args {
  epochs = {3, "times through the training set"},
  batch = {100, "pictures in a step"},
  lr = {1e-3, "learning rate at the beginning; it falls to 0 along a cosine"},
  data = {"fashion", "fashion, glyphs, or a folder with MNIST's files"},
  out = {"out", "folder for pictures when there is no window"},
  save = {"", "file to keep the network in"},
}

local train, test = data.named(o.data), data.named(o.data, {train = false})

net = nn.Sequential {nn.Flatten(), nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10)}
opt = optim.Adam(net:parameters(), {lr = o.lr})
t = nn.Trainer {
  model = net,
  loss = nn.CrossEntropyLoss(),
  optim = opt,
  data = data.loader(train, {batch = o.batch, shuffle = true}),
  test = data.loader(test, {batch = 1000}),
}
t:add_schedule(optim.CosineAnnealingLR(opt, {T_max = o.epochs * t.data:batches()}))
w = window.open {title = "MLP classifier", out = o.out}
w:watch(t)
t:run {epochs = o.epochs}

local loss, accuracy = t:evaluate()
print(net)
print(("test loss %.4f, accuracy %.2f %%"):format(loss, 100 * accuracy))
if o.save ~= "" then net:save(o.save) end
