-- Data sets, loaders and pictures as scripts see them.
local check = dofile("tests/check.lua")

local folder = (os.getenv("GANDER_TEST_OUT") or os.tmpname() .. ".d") .. "/data"
os.execute("mkdir -p '" .. folder .. "/photos/cats' '" .. folder .. "/photos/dogs' '" .. folder .. "/empty' '" .. folder .. "/mnist'")

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

local function labels_of(loader)
  local list = {}
  for _, label in loader do
    for i = 1, #label do list[#list + 1] = label[{i}] end
  end
  return list
end

check.run("sets", function()
  local set = data.tensors(tensor {{1, 2}, {3, 4}, {5, 6}}, tensor {2, 1, 2})
  check.equal(#set, 3)
  check.equal(set:size(), 3)
  check.equal(tostring(set.shape), "(2)")
  check.equal(set[2][{1}], 3)
  local x, label = set:batch(2, 2)
  check.equal(tostring(x.shape), "(2,2)")
  check.equal(x[{2, 2}], 6)
  check.equal(label[{1}], 1)
  check.that(set:label("pairs", {"odd", "even"}) == set)
  check.equal(set.name, "pairs")
  check.equal(table.concat(set:classes(), " "), "odd even")
  check.equal(tostring(set), "pairs: 3 samples (2), 2 classes")
  local plain = data.tensors(tensor.ones(4, 5, 5, 1))
  check.equal(select("#", data.loader(plain):next()), 1, "no labels")
end)

check.run("glyphs and ring", function()
  local glyphs = data.glyphs(50)
  check.equal(tostring(glyphs.shape), "(28,28,1)")
  local x = glyphs:batch(1, 50)
  check.that(x:min():item() >= -1 and x:max():item() <= 1 and x:std():item() > 0.1, "pixels in -1..1")
  check.equal((glyphs[7] - data.glyphs(50)[7]):abs():sum():item(), 0, "the same every time")
  check.equal(#glyphs:classes(), 10)
  tensor.seed(1)
  local ring = data.ring {modes = 4, n = 2000, std = 0.01, radius = 2}
  local points, mode = ring:batch(1, 2000)
  check.near(points:square():sum(2):sqrt():mean():item(), 2, 0.01)
  check.equal(mode:max():item(), 4)
end)

check.run("loaders", function()
  local set = data.tensors(tensor.arange(1, 10):reshape(10, 1), tensor.arange(1, 10))
  local loader = data.loader(set, {batch = 4})
  check.equal(#loader, 3)
  check.equal(loader:batches(), 3)
  check.equal(table.concat(check.map(labels_of(loader), math.tointeger), " "), "1 2 3 4 5 6 7 8 9 10")
  check.equal(#labels_of(data.loader(set, {batch = 4, drop_last = true})), 8)
  check.equal(loader.batch, 4)
  check.that(loader.set == set and not loader.shuffle)
  tensor.seed(2)
  local shuffled = data.loader(set, 4, true)
  local first, second = labels_of(shuffled), labels_of(shuffled)
  check.that(table.concat(first, " ") ~= table.concat(second, " "), "every epoch has its own order")
  table.sort(first)
  check.equal(table.concat(check.map(first, math.tointeger), " "), "1 2 3 4 5 6 7 8 9 10")
  tensor.seed(2)
  check.equal(table.concat(labels_of(data.loader(set, 4, true)), " "), table.concat(labels_of((function()
    tensor.seed(2)
    return data.loader(set, 4, true)
  end)()), " "), "the same seed gives the same order")
  for x in loader do
    check.equal(x[{1, 1}], 1)
    break
  end
  for x in loader do
    check.equal(x[{1, 1}], 1, "a loop begins at the beginning")
    break
  end
  check.equal(loader:next()[{1, 1}], 5)
  loader:rewind()
  check.equal(loader:next()[{1, 1}], 1)
end)

check.run("looking does not disturb a trainer", function()
  local function losses(look)
    tensor.seed(3)
    local net = nn.Sequential {nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 8)}
    local loader = data.loader(data.ring {n = 200}, {batch = 10, shuffle = true})
    local t = nn.Trainer {model = net, loss = nn.CrossEntropyLoss(), optim = optim.Adam(net:parameters(), {lr = 0.1}), data = loader}
    local list = {}
    for i = 1, 30 do
      t:step()
      list[i] = t.losses.loss
      if look then
        for x in loader do
          if i % 2 == 0 then break end
        end
        tensor.rand(i)
      end
    end
    return table.concat(list, " ")
  end
  check.equal(losses(true), losses(false))
end)

check.run("augmentation", function()
  local set = data.tensors(tensor.ones(6, 2))
  local calls = 0
  local loader = data.loader(set, {batch = 3, augment = function(x)
    calls = calls + 1
    collectgarbage()
    return x * 2
  end})
  local sum = 0
  for x in loader do sum = sum + x:sum():item() end
  check.equal(sum, 24)
  check.equal(calls, 2)
  local bad = data.loader(set, {augment = function(x) return x.nothing end})
  check.error(function() bad:next() end, "data.lua:")
  check.error(function() for _ in bad do end end, "no field or method 'nothing'")
end)

local header, label_header = string.pack(">I4I4I4I4", 0x803, 3, 2, 2), string.pack(">I4I4", 0x801, 3)
local pixels = header .. ("\0\127\254\255"):rep(3)

check.run("files in MNIST's format", function()
  write("mnist/train-images-idx3-ubyte", pixels)
  write("mnist/train-labels-idx1-ubyte", label_header .. "\0\5\9")
  local set = data.mnist {dir = folder .. "/mnist"}
  check.equal(#set, 3)
  check.equal(set[1][{1, 1, 1}], -1)
  check.equal(set[1][{2, 2, 1}], 1)
  check.equal(select(2, set:batch(3))[{1}], 10, "labels count from 1")
  check.error(function() data.mnist {dir = folder .. "/mnist", train = false} end, "t10k-images-idx3-ubyte")
  check.equal(#data.named(folder .. "/mnist"), 3)
  local short = write("short", pixels:sub(1, -2))
  check.error(function() data.idx(short) end, short)
  check.error(function() data.idx(write("head", header:sub(1, 9))) end, "head")
  check.error(function() data.idx(write("other", "hello world, this is no data")) end, "other")
  check.error(function() data.idx(write("three", pixels), write("two", string.pack(">I4I4", 0x801, 2) .. "\0\1")) end, "two")
  check.error(function() data.idx(folder) end, folder)
end)

check.run("Fashion-MNIST", function()
  local there, set = pcall(data.fashion)
  if not there then
    check.that(set:find("apt install dataset-fashion-mnist", 1, true) and set:find("data.glyphs()", 1, true), set)
    return
  end
  check.equal(#set, 60000)
  check.equal(#data.fashion {train = false}, 10000)
  check.equal(tostring(set.shape), "(28,28,1)")
  check.equal(set:classes()[10], "ankle boot")
  local x, label = set:batch(1, 100)
  check.that(x:min():item() == -1 and x:max():item() == 1)
  check.that(label:min():item() >= 1 and label:max():item() <= 10)
end)

check.run("pictures", function()
  local x = tensor.rand(5, 7, 3)
  local name = folder .. "/x.png"
  image.save(name, x)
  local y = image.load(name)
  check.equal(tostring(y.shape), "(5,7,3)")
  check.that((x - y):abs():max():item() <= 0.5 / 255 + 1e-6, "to the nearest of 256 values")
  image.save(name, x:select(3, 1))
  check.equal(tostring(image.load(name).shape), "(5,7,1)", "grey")
  check.error(function() image.load(write("broken.png", "\137PNG\r\n\26\nrubbish")) end, "broken.png")
  local grid = image.grid(tensor.ones(5, 4, 6, 3), {columns = 3, gap = 1})
  check.equal(tostring(grid.shape), "(" .. 2 * 5 + 1 .. "," .. 3 * 7 + 1 .. ",3)")
  check.equal(grid[{2, 2, 1}], 1)
  check.equal(grid[{1, 1, 1}], 0, "gaps are black")
  check.equal(tostring(image.grid(tensor.zeros(4, 3, 3)).shape), "(12,12,1)")
end)

check.run("folders", function()
  for i = 1, 3 do
    image.save(("%s/photos/cats/%d.png"):format(folder, i), tensor.zeros(20, 30, 3))
    image.save(("%s/photos/dogs/%d.PNG"):format(folder, i), tensor.ones(30, 20, 3))
  end
  local set = data.folder(folder .. "/photos", {size = 8})
  check.equal(#set, 6)
  check.equal(tostring(set.shape), "(8,8,3)")
  check.equal(table.concat(set:classes(), " "), "cats dogs")
  local x, label = set:batch(1, 6)
  check.equal(label[{1}], 1)
  check.equal(x[{1, 1, 1, 1}], -1)
  check.equal(x[{6, 4, 4, 2}], 1)
  check.equal(#data.folder(folder .. "/photos/cats", {size = 4}), 3)
  check.equal(table.concat(data.list(folder .. "/photos"), " "), "cats/ dogs/")
  check.error(function() data.folder(folder .. "/empty") end, "has no PNG or JPEG files")
  write("photos/cats/z.png", "rubbish")
  check.error(function() data.folder(folder .. "/photos") end, "z.png")
end)

check.run("data.named falls back to drawn digits", function()
  check.equal(#data.named("glyphs"), 20000)
  check.equal(#data.named("glyphs", {train = false}), 2000)
  check.error(function() data.named("/nonexistent") end, "/nonexistent")
end)

check.done()
