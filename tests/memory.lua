-- Memory is flat: over temporary tensors, over steps of training; a warm step asks the system for nothing.
local check = dofile("tests/check.lua")
local networks = dofile("tests/networks.lua")

local function settle()
  collectgarbage()
  collectgarbage()
  return memory()
end

check.run("temporary tensors", function()
  local before = settle()
  local highest = 0
  for i = 1, 100000 do
    local x = tensor.rand(4, 4) + i
    if i % 1000 == 0 then highest = math.max(highest, memory().live) end
  end
  check.that(highest - before.live < 32e6, ("small ones stay below 32 MB, got %.1f"):format((highest - before.live) / 1e6))
  check.that(settle().live - before.live < 1e5, "and are all given back")
  for i = 1, 3000 do
    local x = tensor.zeros(512, 512)
    highest = math.max(highest, memory().live)
  end
  check.that(highest - before.live < 64e6, ("big ones stay below 64 MB, got %.1f"):format((highest - before.live) / 1e6))
end)

check.run("objects", function()
  local before = settle()
  local Net = nn.module("Net", {init = function(self) self.fc = nn.Linear(8, 8) end, forward = function(self, x) return self.fc(x) end})
  local function cycles()
    local net = nn.Sequential {Net(), nn.ReLU(), Net()}
    net[1].above = function() return net end
    local t = nn.Trainer {
      model = net, loss = nn.MSELoss(), optim = optim.Adam(net:parameters()),
      data = data.loader(data.tensors(tensor.ones(4, 8), tensor.ones(4))),
    }
    net[3].trainer = function() return t end
  end
  for _ = 1, 500 do cycles() end
  settle()
  settle()
  local after = settle()
  check.equal(after.objects, before.objects, "objects that nobody has are gone")
  check.that(after.live - before.live < 1e5, "with their memory")
end)

check.run("training", function()
  local t = networks.gan(8, 16)
  for _ = 1, 60 do t:step() end
  local before = settle()
  for _ = 1, 60 do t:step() end
  local after = settle()
  check.that(after.live <= before.live + 1e5, ("live memory grew by %d bytes"):format(after.live - before.live))
  check.equal(after.fresh, before.fresh, "fresh blocks in warm steps")
end)

check.run("a loop of one's own", function()
  local net = nn.Sequential {nn.Linear(20, 30), nn.Sigmoid(), nn.Linear(30, 2)}
  local optimizer, loss = optim.SGD(net:parameters(), {lr = 0.1}), nn.CrossEntropyLoss()
  local x, labels = tensor.randn(16, 20), tensor.randint(1, 2, 16)
  local function steps(n)
    for _ = 1, n do
      optimizer:zero_grad()
      loss(net(x), labels):backward()
      optimizer:step()
    end
  end
  local before
  for _ = 1, 5 do -- how much is collected at a time depends on how long that takes: blocks for the most may come late
    steps(3000)
    before = memory().fresh
    steps(3000)
    if memory().fresh == before then break end
  end
  check.equal(memory().fresh, before, "its garbage is collected before fresh blocks are needed")
  local held = {}
  for i = 1, 200000 do held[i] = {i} end
  local highest = 0
  for i = 1, 3000 do
    local big = tensor.zeros(512, 512)
    highest = math.max(highest, memory().live)
  end
  check.that(highest < 64e6, ("also beside a large heap, got %.1f MB"):format(highest / 1e6))
end)

check.run("errors leak nothing", function()
  local before = settle().live
  for _ = 1, 1000 do
    pcall(function() return tensor.rand(100, 100):matmul(tensor.rand(50, 2)) end)
    pcall(function() return nn.Linear(10, 100)(tensor.rand(2, 3)) end)
    pcall(function() return tensor {{1, 2}, {3}} end)
  end
  check.that(settle().live - before < 1e5, "after a thousand errors")
end)

-- What is called here has no result that stays; the examples are those of rows that need no object, file or window.
check.run("calls leave no tensor behind", function()
  local calls = {
    "tensor(5)", "tensor(tensor(5))", "nn.MSELoss()(1, 2)", "tensor.rand(2):where(1, 2)", "2 - tensor.rand(3)", "image.grid(tensor.rand(4, 3, 3))",
    "(function() local a = tensor.rand(3) a[1] = 5 a[2] = tensor(4) a:add_(2) a:copy_(1) a:mul_(3) end)()",
    "(function() local a = tensor.rand(3):requires_grad() (a * 2):sum():backward() a.grad = nil end)()",
    "data.ring {n = 20}[3]", "data.loader(data.ring {n = 20}):next()", "tostring(tensor.rand(3))",
    "pcall(function() return tensor.rand(2):add(2, 3, 4) end)", "pcall(tensor.cat, {tensor.rand(2), 3})", "pcall(image.grid, 3)",
  }
  for _, topic in ipairs(topics()) do
    if topic.name:find("^tensor%.") or topic.name:find("^nn%.") then
      for line in topic.example:gmatch("[^\n]+") do calls[#calls + 1] = line end
    end
  end
  for _, call in ipairs(calls) do
    local f = load("return " .. call)
    if f and pcall(f) then
      pcall(f)
      local before = settle().live
      for _ = 1, 5 do pcall(f) end
      check.equal(settle().live, before, call)
    end
  end
end)

check.done()
