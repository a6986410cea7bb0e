-- 4-cnn.lua  **  A convolutional classifier on pictures of clothes.

local o = args {
  epochs = {5, "times through the training set"},
  batch = {64, "pictures in a step"},
  lr = {1e-3, "learning rate at the beginning; it falls to 0 along a cosine"},
  data = {"fashion", "fashion, glyphs, or a folder with MNIST's files"},
  out = {"out", "folder for pictures when there is no window"},
  save = {"", "file to keep the network in"},
}

local train, test = data.named(o.data), data.named(o.data, {train = false})

net = nn.Sequential {
  nn.Conv2d(1, 32, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2),
  nn.Conv2d(32, 64, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2),
  nn.Flatten(), nn.Linear(7 * 7 * 64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10),
}
opt = optim.Adam(net:parameters(), {lr = o.lr})
t = nn.Trainer {
  model = net,
  loss = nn.CrossEntropyLoss(),
  optim = opt,
  data = data.loader(train, {batch = o.batch, shuffle = true}),
  test = data.loader(test, {batch = 500}),
}
t:add_schedule(optim.CosineAnnealingLR(opt, {T_max = o.epochs * t.data:batches()}))
w = window.open {title = "CNN classifier", out = o.out}
w:watch(t)
t:run {epochs = o.epochs}

local loss, accuracy = t:evaluate()
print(net)
print(("test loss %.4f, accuracy %.2f %%"):format(loss, 100 * accuracy))
if o.save ~= "" then net:save(o.save) end
