-- Values as text: tensors as columns, tables, objects.
local check = dofile("tests/check.lua")

local function shows(value, want)
  check.equal(tostring(value), want)
end

check.run("tensors", function()
  shows(tensor(5), "5")
  shows(tensor(0.25), "0.25")
  shows(tensor(1e-9), "1e-09")
  shows(tensor {1, 2, 3}, "tensor (3)\n  1  2  3")
  shows(tensor {{1, -2}, {3, 40}}, "tensor (2,2)\n   1  -2\n   3  40")
  shows(tensor {{0.5, 1}, {2, 3}}, "tensor (2,2)\n  0.500  1.000\n  2.000  3.000")
  shows(tensor {100.5, 2}, "tensor (2)\n  100.5    2.0")
  shows(tensor {12345.5, 2}, "tensor (2)\n  12345.5      2.0")
  shows(tensor {1.5e-7, -2e-8}, "tensor (2), times 1e-7\n   1.500  -0.200")
  shows(tensor {1.5e9, 2e8}, "tensor (2), times 1e9\n  1.500  0.200")
  shows(tensor {0.001234, 0}, "tensor (2)\n  0.001234  0.000000")
  shows(tensor {1 / 0, -1 / 0, 1}, "tensor (3)\n   inf  -inf     1")
  shows(tensor {{0 / 0}}, "tensor (1,1)\n  nan")
  shows(tensor.zeros(0, 3), "tensor (0,3)")
  shows(tensor {{{1, 2}}, {{3, 4}}}, "tensor (2,1,2)\n[1]\n  1  2\n[2]\n  3  4")
  shows(tensor.ones(2, 1, 1, 1), "tensor (2,1,1,1)\n[1,1]\n  1\n[2,1]\n  1")
  shows(tensor.ones(2):requires_grad(), "tensor (2), requires grad\n  1  1")
  shows(tensor.ones(2):requires_grad() * 2, "tensor (2), part of a graph\n  2  2")
end)

local function lines(value)
  local list = {}
  for line in (tostring(value) .. "\n"):gmatch("(.-)\n") do list[#list + 1] = line end
  return list
end

check.run("large tensors", function()
  local long = lines(tensor.arange(1, 1000))
  check.equal(#long, 2)
  check.that(#long[2] <= 80 and long[2]:find("1     2", 1, true) and long[2]:find("...  ", 1, true) and long[2]:find("1000$"), long[2])
  local tall = lines(tensor.arange(1, 1000):reshape(1000, 1))
  check.that(#tall < 20 and tall[2]:find("1$") and tall[#tall]:find("1000$"), #tall)
  local many = lines(tensor.zeros(100, 100, 100))
  check.that(#many < 80, #many)
  check.that(#lines(tensor.zeros(9, 9, 9, 9, 9, 9)) < 80)
  for _, line in ipairs(lines(tensor.randn(40, 40) * 1e-3)) do check.that(#line <= 80, line) end
end)

check.run("objects", function()
  local net = nn.Sequential {nn.Linear(2, 3), nn.ReLU()}
  local text = tostring(net)
  check.that(text:find("Linear(2, 3)", 1, true) and text:find("9", 1, true) and text:find("parameters", 1, true), text)
  net(tensor.ones(4, 2))
  check.that(tostring(net):find("(N,3)", 1, true), "output shapes of the last call")
  shows(nn.MSELoss(), 'nn.MSELoss{reduction="mean"}')
  shows(nn.CrossEntropyLoss {label_smoothing = 0.1}, 'nn.CrossEntropyLoss{reduction="mean", label_smoothing=0.1}')
  shows(optim.SGD(net:parameters(), {lr = 0.1}),
    "optim.SGD{lr=0.1, momentum=0, dampening=0, weight_decay=0, nesterov=false} of 2 parameters, 9 numbers")
  shows(optim.Adam(net:parameters(), {betas = {0.5, 0.999}}),
    "optim.Adam{lr=0.001, betas={0.5, 0.999}, eps=1e-08, weight_decay=0} of 2 parameters, 9 numbers")
  local opt = optim.SGD(net:parameters(), {lr = 0.1})
  shows(optim.StepLR(opt, {step_size = 3}), "optim.StepLR{step_size=3, gamma=0.1} at step 0, lr 0.1")
  shows(data.glyphs(5), "glyphs: 5 samples (28,28,1), 10 classes")
  shows(data.loader(data.glyphs(5), {batch = 2, shuffle = true}),
    "loader of glyphs: 5 samples in batches of 2, shuffled, 3 in an epoch")
  local t = nn.Trainer {model = net, loss = nn.MSELoss(), optim = opt, data = data.loader(data.ring {n = 10})}
  check.that(tostring(t):find("^nn.Trainer at step 0, epoch 0"), tostring(t))
  shows(tensor.ones(2, 3).shape, "(2,3)")
end)

-- Tables are shown readably at the prompt: statements from a pipe, with -i.
local function prompt(statements)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(statements)
  file:close()
  local pipe = io.popen(("%s --headless -i < '%s' 2>&1"):format(os.getenv("GANDER") or "build/gander", name))
  local text = pipe:read("a")
  pipe:close()
  os.remove(name)
  return text
end

check.run("at the prompt", function()
  local function typed(statement, want)
    local text = prompt(statement .. "\n")
    check.that(text:find(want, 1, true), ("%s: want '%s', got '%s'"):format(statement, want, text))
  end
  typed("{1, 2, lr = 0.1, name = 'x'}", '{1, 2, lr = 0.1, name = "x"}')
  typed("{betas = {0.5, 0.999}, [true] = 'a\\n'}", '{betas = {0.5, 0.999}, [true] = "a\\n"}')
  typed("{t = tensor.ones(2, 3), s = tensor(2)}", "{s = 2, t = tensor (2,3)}")
  typed("(function() local t = {} t.t = t return t end)()", "{t = {t = {t = {...}}}}")
  typed("(function() local t = {} for i = 1, 100 do t[i] = i end return t end)()", "... 60 more")
  typed("{alpha = ('x'):rep(30), beta = ('y'):rep(30), gamma = 1}", "{\n  alpha = ")
  typed("{nn.Linear(2, 3), nn.MSELoss()}", "{Linear(2, 3), nn.MSELoss")
  typed("tensor.sum", "function tensor.sum(x, dims:dims=nil, keepdim:boolean=false)")
  typed("nil", "nil")
  typed("'text'", "text")
  typed("setmetatable({}, {__tostring = function() return 'mine' end})", "mine")
  typed("setmetatable({}, {__tostring = function() error('broken') end})", "(cannot be shown:")
  typed("tensor.ones(2)", "tensor (2)\n  1  1")
end)

check.done()
