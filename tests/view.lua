-- What a run without a window writes, and what it says to wrong arguments.
local check = dofile("tests/check.lua")
local out = (os.getenv("GANDER_TEST_OUT") or "/tmp") .. "/view"

local function read(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read("a")
  f:close()
  return text
end

local function trainer(seed)
  tensor.seed(seed)
  local G = nn.Sequential {nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 16), nn.Tanh(), nn.Reshape({4, 4, 1})}
  local D = nn.Sequential {nn.Flatten(), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)}
  return gan.Trainer {
    generator = G, discriminator = D, latent = 2, samples = 9,
    data = data.loader(data.tensors(tensor.rand(64, 4, 4, 1)), {batch = 16, shuffle = true}),
    optim_g = optim.Adam(G:parameters()), optim_d = optim.Adam(D:parameters()),
  }
end

local function run(folder, seed, steps)
  local t = trainer(seed)
  local w = window.open {title = "test", out = folder, every = 50}
  check.that(w.headless and w.open, "a window without a display is headless")
  w:watch(t)
  t:run {steps = steps}
  w:close()
  check.that(not w.open, "closed")
  return t
end

check.run("files", function()
  local first = out .. "/deep/first"
  run(first, 3, 120)
  for _, name in ipairs {"step-000000.png", "step-000050.png", "step-000100.png", "step-000120.png", "latest.png", "curves.png",
                         "view.png", "run.gif", "log.csv"} do
    check.that(read(first .. "/" .. name), name)
  end
  check.that(not read(first .. "/step-000020.png"), "only every 50 steps")
  check.equal(read(first .. "/latest.png"), read(first .. "/step-000120.png"), "the latest is the last")
  check.that(read(first .. "/step-000000.png") ~= read(first .. "/step-000050.png"), "training changes the picture")
  local gif = read(first .. "/run.gif")
  check.equal(gif:sub(1, 6), "GIF89a")
  check.that(#gif < 1000000, "the animation is under a megabyte")
  local _, frames = gif:gsub("\x21\xf9\x04", "")
  check.equal(frames, 25, "a frame every 5 steps, and the beginning")
end)

check.run("log", function()
  local lines = {}
  for line in io.lines(out .. "/deep/first/log.csv") do lines[#lines + 1] = line end
  check.equal(#lines, 121, "lines of the log")
  check.equal(lines[1], "step,epoch,loss_d,D(x),D(G(z)),grad_d,loss_g,grad_g,seconds")
  check.that(lines[2]:match("^1,0,%d"), lines[2])
  check.that(lines[121]:match("^120,30,%d"), lines[121])
end)

-- The same seed writes the same pictures, whatever the clock does.
check.run("same", function()
  local second = out .. "/second"
  run(second, 3, 120)
  for _, name in ipairs {"step-000000.png", "step-000100.png", "step-000120.png", "run.gif", "curves.png"} do
    check.equal(read(out .. "/deep/first/" .. name) == read(second .. "/" .. name), true, name .. " is the same again")
  end
  run(second, 4, 50)
  check.that(read(out .. "/deep/first/step-000050.png") ~= read(second .. "/step-000050.png"), "another seed, another picture")
end)

-- The grid is the samples themselves: 9 pictures of 4x4 in 3 columns, pixels enlarged, gaps of 2.
check.run("pixels", function()
  local folder = out .. "/pixels"
  local t = trainer(5)
  local w = window.open {out = folder}
  w:watch(t)
  local x = t:picture()
  w:close()
  local picture = image.load(folder .. "/step-000000.png")
  local size = picture.shape
  local scale = (size[2] - 8) // 12
  check.equal(scale, 60, "scale")
  for _, at in ipairs {{1, 1, 1}, {1, 4, 4}, {5, 2, 3}, {9, 4, 1}} do
    local i, row, column = at[1], at[2], at[3]
    local y = 2 + (i - 1) // 3 * (4 * scale + 2) + (row - 1) * scale + scale // 2
    local z = 2 + (i - 1) % 3 * (4 * scale + 2) + (column - 1) * scale + scale // 2
    check.near(picture[{y + 1, z + 1, 1}], x[{i, row, column, 1}] / 2 + 0.5, 0.003, "sample " .. i)
  end
end)

check.run("own pictures", function()
  local folder = out .. "/own"
  local w = window.open {title = "own", out = folder, width = 640, height = 480, theme = "light"}
  check.equal(w:plot("loss", {a = 1, b = tensor.full(2, 1)}), w, "calls chain")
  for i = 1, 30 do w:plot("loss", {a = i / 30, b = 0}):plot("single", i) end
  w:images(tensor.zeros(4, 6, 6, 3)):scatter(tensor.randn(20, 2), tensor.randn(50, 2)):heatmap(tensor.randn(4, 5))
  w:record(folder .. "/mine.gif")
  w:images(tensor.ones(4, 6, 6, 3))
  w:record()
  w:save(folder .. "/now.png")
  local picture = image.load(folder .. "/now.png")
  check.equal(table.concat({picture.shape[1], picture.shape[2]}, "x"), "480x640", "size")
  check.near(picture[{479, 1, 1}], 0xef / 255, 0.003, "the light theme's background")
  check.that(#read(folder .. "/mine.gif") > 500, "w:record writes")
  w:close()
  check.that(read(folder .. "/latest.png") and read(folder .. "/curves.png") and read(folder .. "/run.gif"), "files")
end)

check.run("errors", function()
  check.error(function() window.open {widht = 3} end, "window.open: unknown option 'widht', did you mean 'width'?")
  check.error(function() window.open {width = 30} end, "window.open: width and height are 200 to 8192, got 30 and 740")
  check.error(function() window.open {every = 0} end, "window.open: every is the number of steps between pictures, at least 1, got 0")
  check.error(function() window.open {theme = "pink"} end, 'one of "dark", "light" expected')
  check.error(function() window.open {out = "/dev/null/x"} end, "/dev/null/x: the folder cannot be made: Not a directory")
  local w = window.open {out = out .. "/errors"}
  check.error(function() w:watch(3) end, "window:watch: trainer: a trainer expected, got number 3")
  check.error(function() w:images(tensor.zeros(3)) end, "window:images(x): pictures are (N,H,W,1)")
  check.error(function() w:images(tensor.zeros(2, 3, 3, 5)) end, "got (2,3,3,5)")
  check.error(function() w:scatter(tensor.zeros(4, 3)) end, "window:scatter(points): points are (N,2), got (4,3)")
  check.error(function() w:heatmap(tensor.zeros(4)) end, "window:heatmap(x): a heatmap is (H,W)")
  check.error(function() w:plot(3, {a = 1}) end, "window:plot(name, values): name is a text, got number 3")
  check.error(function() w:plot("p", {a = "x"}) end, 'got a = string "x"')
  check.error(function() w:plot("p", {1, 2}) end, "values are at most 8 numbers by name")
  check.error(function() w:plot("p", {a = tensor.zeros(2)}) end, "got a = tensor (2)")
  local knob = {value = 3, name = "x"}
  check.equal(w:slider("knob", knob, "value"), w)
  check.error(function() w:slider("k", 3, "value") end, "window:slider: object is what has the number, like an optimizer, got number 3")
  check.error(function() w:slider("k", knob, "name") end, "window:slider: 'name' of the object must be a number, got string")
  check.error(function() w:slider("k", knob, "value", {from = 3, to = 1}) end, "from must be less than to")
  check.error(function() w:slider("k", knob, "value", {log = true, from = 0}) end, "with log, from must be above 0")
  check.error(function() w:save("/nowhere/x.png") end, "/nowhere/x.png")
  check.error(function() w:record("/nowhere/x.gif") w:images(tensor.zeros(2, 2)) w:record() end, "/nowhere/x.gif")
  for i = 1, 8 do w:plot("many", {["curve " .. i] = i < 8 and i or nil}) end
  check.error(function() w:plot("many", {more = 1}) end, "a plot has at most 7 curves")
  w:close()
  check.error(function() w:images(tensor.zeros(2, 2)) end, 'the window "gander" is closed')
  w:close()
end)

check.run("fields and numbers", function()
  local w = window.open {out = out .. "/fields"}
  check.error(function() return w[1] end, "window: cannot be indexed with number 1")
  check.error(function() w[true] = 1 end, "window: cannot set true")
  check.error(function() w.title = "new" end, "window: 'title' can be read but not set")
  check.error(function() w.tit = 1 end, "window: no field or method 'tit'")
  check.error(function() w[""] = 1 end, "window: no field or method ''")
  w:plot("loss", {G = 1})
  collectgarbage()
  local before = memory().live
  for i = 2, 100 do
    w:plot("loss", {G = i, D = 2 * i})
    check.error(function() w:images(i) end, "pictures are")
  end
  check.equal(memory().live, before, "numbers leave no tensors behind")
  w:close()
end)

check.run("many", function()
  local windows = {}
  for i = 1, 8 do windows[i] = window.open {out = out .. "/many" .. i} end
  check.error(function() window.open {out = out .. "/many9"} end, "8 windows are open")
  for i = 1, 8 do windows[i]:close() end
  window.open({out = out .. "/many9"}):close()
end)

check.done()
