-- Help and completion come from the rows: every row has help, and every example of every row runs.
local check = dofile("tests/check.lua")

local folder = (os.getenv("GANDER_TEST_OUT") or os.tmpname() .. ".d") .. "/help"
os.execute("mkdir -p '" .. folder .. "'")

-- Files that examples name.
local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

for _, place in ipairs {"photos", "mnist"} do os.execute("mkdir -p '" .. folder .. "/" .. place .. "'") end
for _, name in ipairs {"cat.png", "dog.png", "photos/a.png"} do image.save(folder .. "/" .. name, tensor.rand(9, 7, 3)) end
local pixels, labels = string.pack(">I4I4I4I4", 0x803, 3, 2, 2) .. ("\x7f"):rep(12), string.pack(">I4I4", 0x801, 3) .. "\0\1\2"
for _, part in ipairs {"train", "t10k"} do
  write("mnist/" .. part .. "-images-idx3-ubyte", pixels)
  write("mnist/" .. part .. "-labels-idx1-ubyte", labels)
end
write("train-images-idx3-ubyte.gz", pixels) -- plain data under any name is read too
write("train-labels-idx1-ubyte.gz", labels)

-- Examples may use these: an object of each kind.
local function objects()
  local env = setmetatable({}, {__index = _G})
  env.net = nn.Sequential {nn.Flatten(), nn.Linear(784, 10)}
  env.opt = optim.SGD(env.net:parameters(), {lr = 0.1})
  env.opt:add_group({tensor.ones(2):requires_grad()}, {lr = 0.1})
  env.schedule = optim.ExponentialLR(env.opt, {gamma = 0.9})
  env.x = tensor.ones(2, 3)
  local G, D = nn.Linear(2, 2), nn.Linear(2, 1)
  env.t = gan.Trainer {
    generator = G, discriminator = D, latent = 2, data = data.loader(data.ring {n = 64}, {batch = 16}),
    optim_g = optim.Adam(G:parameters()), optim_d = optim.Adam(D:parameters()),
  }
  env.t:save(folder .. "/gan.ckpt")
  env.print = function() end
  env.help = function() end
  return env
end

-- Windows that write to the folder.
local function open_window(options)
  local all = {out = folder .. "/out"}
  for name, value in pairs(options or {}) do all[name] = value end
  return window.open(all)
end

local function classifier()
  local net = nn.Sequential {nn.Flatten(), nn.Linear(784, 10)}
  local loader = data.loader(data.glyphs(100))
  return nn.Trainer {model = net, loss = nn.CrossEntropyLoss(), optim = optim.Adam(net:parameters()), data = loader, test = loader}
end

-- Text as code: statements, one value, or one value a line.
local function run(text, env)
  local code = load("return " .. text, text, "t", env) or load(text, text, "t", env)
  if code then return code() end
  for line in text:gmatch("[^\n]+") do assert(load("return " .. line, line, "t", env))() end
end

local function in_folder(text)
  return (text:gsub('"([%w%-]+%.%w+)"', ('"%s/%%1"'):format(folder)):gsub('"(photos)"', ('"%s/%%1"'):format(folder))
    :gsub('"(mnist)"', ('"%s/%%1"'):format(folder)))
end

local ends = {quit = true, exit = true} -- not to be called here
local seen = {}
for _, topic in ipairs(topics()) do
  check.that(not seen[topic.name], topic.name .. " has one row")
  seen[topic.name] = true
  check.that(#topic.help > 1 and topic.help:find("%.$"), topic.name .. ": help is a sentence")
  check.that(#topic.example > 0, topic.name .. " has an example")
  if not ends[topic.name] then
    check.run(topic.name .. ": " .. topic.example, function()
      local env = objects()
      env.window = {open = open_window}
      if topic.name == "trainer:evaluate" then env.t = classifier() end
      local w = topic.name:find("^window:") and open_window()
      env.w = w
      run(in_folder(topic.example), env)
      env.t:stop()
      env.t:pause(false)
      if w and topic.name ~= "window:close" then w:close() end
    end)
  end
end
for name in pairs(ends) do check.that(seen[name], name .. " is a row") end

-- help() prints; what it prints is read from a pipe of another gander.
local function output(code)
  local pipe = io.popen(("%s --headless -e '%s' 2>&1"):format(os.getenv("GANDER") or "build/gander", code))
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function shows(code, ...)
  local text = output(code)
  for _, part in ipairs {...} do
    check.that(text:find(part, 1, true), ("%s: '%s' is missing in\n%s"):format(code, part, text))
  end
end

check.run("help", function()
  shows("help()", "Conv2d", "matmul", "Adam", "Trainer", "fashion", "optimizer", "help(\"nn.Conv2d\")")
  shows("help(nn.Conv2d)", "nn.Conv2d(in_channels, out_channels, kernel_size, {stride=1", "default 0", "Example:")
  shows("help(\"nn.Conv2d\")", "nn.Conv2d(in_channels")
  shows("help(nn.Conv2d(1, 2, 3))", "nn.Conv2d(in_channels")
  shows("help(\"matmul\")", "a:matmul(b)", "tensor.matmul(a, b)")
  shows("help(\"x:sum\")", "x:sum([dims], {keepdim=false})")
  shows("help(tensor.ones(2))", "methods of a tensor", ":backward")
  shows("help(optim.SGD({tensor.ones(1):requires_grad()}, {lr = 1}))", "optim.SGD(params")
  shows("help(nn)", "Conv2d", "init.normal")
  shows("help(\"trainer\")", "methods of a trainer", ":run")
  shows("help(\"data.loader\")", "batch", "default 64")
  shows("help(window.open)", "one of dark light; default \"dark\"")
  shows("help(help)", "help(x)")
  shows("help(\"nn.Conv3d\")", "did you mean")
  shows("help(\"upsampel\")", "did you mean 'upsample'?")
  shows("help(5)", "a name, a function or an object of gander")
  shows("help({})", "a name, a function or an object of gander")
end)

check.done()
