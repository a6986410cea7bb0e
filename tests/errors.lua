-- Bad input of every kind: what functions say to wrong types (from the rows), wrong shapes and wrong values (listed).
local check = dofile("tests/check.lua")

local folder = (os.getenv("GANDER_TEST_OUT") or os.tmpname() .. ".d") .. "/errors"
os.execute("mkdir -p '" .. folder .. "'")

-- ---- from the rows: every argument of every function, by name, with values of the wrong type ----

local G, D = nn.Linear(2, 2), nn.Linear(2, 1)
local optim_g, optim_d = optim.Adam(G:parameters()), optim.SGD(D:parameters(), {lr = 0.1})
local object = {
  tensor = tensor.ones(2, 2), module = nn.Sequential {nn.Linear(2, 2)}, loss = nn.MSELoss(), optimizer = optim_d,
  schedule = optim.ExponentialLR(optim_d, {gamma = 0.9}), dataset = data.glyphs(10), loader = data.loader(data.glyphs(10)),
  trainer = gan.Trainer {
    generator = G, discriminator = D, latent = 2, optim_g = optim_g, optim_d = optim_d,
    data = data.loader(data.ring {n = 64}, {batch = 16}),
  },
}

local thread = coroutine.create(function() end)
local expected = { -- by kind: a wrong value, and what is said
  tensor = {"x", "a tensor expected, got string \"x\""},
  constant = {"x", "a tensor expected, got string \"x\""},
  tensors = {5, "a table of tensors expected, got number 5"},
  number = {"x", "a number expected, got string \"x\""},
  integer = {2.5, "a whole number expected, got number 2.5"},
  boolean = {1, "true or false expected, got number 1"},
  dim = {0, "a dimension, counted from 1 or from -1 backwards, expected, got number 0"},
  dims = {{1, 0}, "a dimension, counted from 1 or from -1 backwards, expected, got number 0"},
  size = {{2, -3}, "whole numbers from 0 expected, got number -3"},
  pair = {{1, 2, 3}, "a pair {height, width} expected, got 3 numbers"},
  numbers = {{1, 2, 3, 4, 5}, "numbers expected, got 5"},
  choice = {"never", "one of \""},
  text = {thread, "a string expected, got thread"},
  module = {"x", "a module expected, got string \"x\""},
  modules = {"x", "a table of modules expected, got string \"x\""},
  ["function"] = {"x", "a function expected, got string \"x\""},
  table = {"x", "a table expected, got string \"x\""},
}

local function arguments(topic)
  local list = {}
  for part in topic.args:gmatch("[^,]+") do
    local name, rest = part:match("^%s*([%w_]+)(.*)$")
    local kind = rest:match("^:([%w_|%-]+)") or "tensor"
    list[#list + 1] = {name = name, kind = kind:find("|") and "choice" or kind, optional = rest:find("[=?]") ~= nil}
  end
  return list
end

local function callable(topic)
  local kind, method = topic.name:match("^(%a+):(.+)$")
  if kind then
    local self = object[kind]
    return self and function(...) return self[method](self, ...) end
  end
  local at = _G
  for part in topic.name:gmatch("[^.]+") do at = at[part] end
  return at
end

-- Functions that read their arguments themselves have texts of their own, listed below.
local own = {quit = true, exit = true, args = true, ["tensor.ops"] = true,
  ["tensor.gradcheck"] = true, ["trainer:pause"] = true, ["window.open"] = true, ["tensor.no_grad"] = true, help = true, ["optimizer:add_group"] = true}

for _, topic in ipairs(topics()) do
  local f = not own[topic.name] and callable(topic)
  local list = arguments(topic)
  for i, argument in ipairs(f and list or {}) do
    local wrong = expected[argument.kind]
    if wrong and list[1].kind ~= "table" then
      local where = ("%s: argument %d (%s): "):format(topic.who, i, argument.name)
      check.error(function() f({[argument.name] = wrong[1]}) end, where, topic.name)
      check.error(function() f({[argument.name] = wrong[1]}) end, wrong[2], topic.name)
    end
  end
  if f and #list > 0 and list[1].kind ~= "table" and list[1].kind ~= "any" then
    check.error(function() f({no_such_option_here = 1}) end, topic.who .. ": unknown option 'no_such_option_here'", topic.name)
    local first = list[1].name
    if #first > 3 then
      check.error(function() f({[first .. "x"] = 1}) end, ("did you mean '%s'?"):format(first), topic.name)
    end
    local many = {}
    for i = 1, 30 do many[i] = nil end
    if not list[1].optional and list[1].kind ~= "modules" then
      check.error(function() f() end, ("%s: argument 1 (%s) is missing"):format(topic.who, first), topic.name)
    end
  end
  if f and #list == 0 and topic.name:find(":") == nil and not own[topic.name] and topic.name ~= "topics" then
    check.error(function() f(1) end, "takes no arguments", topic.name)
  end
  if topic.name:find("^tensor:") or topic.name:find("^module:") then
    local kind, method = topic.name:match("^(%a+):(.+)$")
    check.error(function() object[kind][method](5) end, ("its object must be a %s, got number 5"):format(kind), topic.name)
    check.error(function() object[kind][method]() end, ("its object must be a %s, got nothing"):format(kind), topic.name)
  end
end

-- ---- listed: wrong shapes and values ----

local cases = {}
local function case(code, text) cases[#cases + 1] = {code, text} end

-- how to call
case('tensor.ones(2):sum(1, 2, 3, 4, 5, 6, 7, 8, 9)', "at most 8 numbers expected, got 9")
case('tensor.ones(2):sum(1, true, 3)', "sum: takes 3 arguments (x, dims, keepdim), got number 3 besides")
case('tensor.ones(2):sum(1, {dims = 1})', "sum: dims is given twice, as argument 2 and as an option")
case('tensor.ones(2):sum(1, {[true] = 2})', "sum: argument 3 (keepdim): true or false expected, got table")
case('tensor.ones(2):sum(1, true, {keepdim = true})', "given twice")
case('tensor.ones(2):clamp({5})', "clamp: argument 2 (min): a number expected, got table")
case('nn.Conv2d(3, 64, 4, {strid = 2})', "Conv2d: unknown option 'strid', did you mean 'stride'?")
case('nn.Conv2d(3)', "Conv2d: argument 2 (out_channels) is missing")
case('nn.Conv2d(3, nil, 4)', "Conv2d: argument 2 (out_channels): a whole number expected, got nil")
case('tensor.ones(2):matmul("x")', 'matmul: argument 2 (b): a tensor expected, got string "x"')
case('tensor.ones(2) + "x"', 'add: argument 2 (b): a tensor expected, got string "x"')
case('tensor.ones(2) + {}', 'add: argument 2 (b): a tensor expected, got table')
case('define {{"x.y", "n:foo", "h", "e", print}}', "define: x.y: row: argument n has unknown kind foo")
case('quit("x")', "quit: argument 1 (status): a whole number expected, got string")
case('nil + tensor.ones(2)', "add: argument 1 (a): a tensor expected, got nil")
case('tensor.ones(2) < 3', "tensors have no order")
case('tensor.ones(2) .. "x"', "attempt to concatenate")
case('tensor.ones(2).summ', "tensor: no field or method 'summ', did you mean 'sum'?")
case('tensor.one(2)', "tensor has no 'one', did you mean 'ones'?")
case('nn.Conv2D(1, 2, 3)', "nn has no 'Conv2D', did you mean 'Conv2d'?")
case('nn[5]', "nn has no number 5")
case('tensor.ones(2).shape_of_it_all', "no field or method 'shape_of_it_all'; help('tensor')")
case('getmetatable(tensor.ones(2)).__index(5, "x")', "what is indexed: a tensor expected, got number 5")

-- tensors
case('tensor "x"', 'tensor: a number or a table of numbers expected, got string "x"')
case('tensor()', "a number or a table of numbers expected")
case('tensor {{1, 2}, {3}}', "tensor: a table of 2 expected at [2], as at the first place, got 1")
case('tensor {{1, 2}, 3}', "tensor: a table of 2 expected at [2], as at the first place, got number 3")
case('tensor {{1, 2}, {3, "x"}}', 'tensor: a number expected at [2][2], got string "x"')
case('tensor {1, {2}}', "tensor: a number expected at [2], got table")
case('tensor {{{{{{{{{1}}}}}}}}}', "tables nest deeper than 8")
case('tensor.ones(2)[3]', "tensor: position 3 is outside 1..2 (dimension 1 of a tensor (2))")
case('tensor.ones(2)[0]', "position 0 is outside 1..2")
case('tensor.ones(2)[-3]', "position -3 is outside 1..2")
case('tensor.ones(2)[1.5]', "positions are whole numbers, got number 1.5")
case('tensor.ones(2)[0/0]', "positions are whole numbers")
case('tensor.ones(2, 3)[{1, 4}]', "position 4 is outside 1..3 (dimension 2 of a tensor (2,3))")
case('tensor.ones(2)[{1, 1}]', "2 positions for a tensor (2)")
case('tensor.ones(2)[{"x"}]', 'positions are whole numbers, got string "x"')
case('tensor(1)[1]', "a tensor without dimensions has no positions")
case('#tensor(1)', "a tensor without dimensions has no length")
case('tensor.ones(2)[true]', "tensor: cannot be indexed with true")
case('(function() tensor.ones(2)[1] = "x" end)()', 'a number or a tensor can be written, got string "x"')
case('(function() tensor.ones(2)[1] = tensor.ones(2) end)()', "(2)")
case('(function() tensor.ones(2).shape = 3 end)()', "'shape' can be read but not set")
case('(function() tensor.ones(2).grad = 3 end)()', "grad is a tensor or nil, got number 3")
case('(function() tensor.ones(2).grad = tensor.ones(3) end)()', "grad must have the tensor's shape (2), got (3)")
case('(function() tensor.ones(2).colour = 3 end)()', "no field or method 'colour'")
case('tensor.ones(2):item()', "item(x): x must have one element, got shape (2)")
case('tensor.ones(2):copy_(tensor.ones(3))', "(3)")
case('tensor.ones(2):add_(tensor.ones(3))', "do not broadcast")
case('tensor.ones(2):mul_(tensor.ones(2, 2))', "(2,2)")
case('tensor.ones(2):requires_grad():fill_(1)', "fill: the tensor requires a gradient")
case('tensor.ones(2):backward()', "does not depend on anything that requires a gradient")
case('(tensor.ones(2):requires_grad() * 2):backward()', "of one element, or with a gradient to start from; got shape (2)")
case('(tensor.ones(2):requires_grad() * 2):backward(tensor.ones(3))', "the seed has shape (3), the tensor (2)")
case('(function() local y = tensor.ones(1):requires_grad():square(); y:backward(); y:backward() end)()', "backward")
case('(tensor.ones(2):requires_grad() * 2):requires_grad(false)', "only of a leaf")
case('tensor.grad(5, {})', "argument 1 (out): a tensor expected, got number 5")
case('tensor.grad(tensor.ones(1), {5})', "a table of tensors expected, got number 5 at place 1")
case('tensor.no_grad(5)', "argument 1 (f): a function expected, got number 5")
case('tensor.load("/nonexistent/x.npy")', "/nonexistent/x.npy")
case('tensor.ones(2):save("/nonexistent/x.npy")', "tensor:save: /nonexistent/x.npy: cannot write: No such file or directory")
case('tensor.load("a\\0b")', "a string without zero bytes expected")
case('tensor.random_state("x")', "argument 1 (seed): a whole number expected")
case('tensor.gradcheck("nothing")', "there is no op 'nothing'")

-- makers and sizes
case('tensor.zeros(-2)', "zeros: argument 1 (shape): whole numbers from 0 expected, got number -2")
case('tensor.zeros(-1)', "zeros")
case('tensor.zeros("2")', 'whole numbers from 0 expected, got string "2"')
case('tensor.zeros(2, 1.5)', "whole numbers from 0 expected, got number 1.5")
case('tensor.zeros(0/0)', "whole numbers from 0 expected")
case('tensor.zeros(1e18)', "")
case('tensor.zeros(1e6, 1e6, 1e6)', "out of memory")
case('tensor.zeros(1, 1, 1, 1, 1, 1, 1, 1, 1)', "at most 8 numbers expected, got 9")
case('tensor.eye(-1)', "eye")
case('tensor.arange(1, 5, 0)', "arange")
case('tensor.linspace(1, 2, -1)', "linspace")
case('tensor.randint(5, 1, 2)', "randint")
case('tensor.randperm(-1)', "randperm")
case('tensor.bernoulli(2, 3)', "bernoulli")

case('tensor.zeros(2^60)', "zeros: argument 1 (shape): a whole number of at most 2^53 expected, got number 1.1529215046068e+18")
case('nn.Linear(1e300, 2)', "Linear: argument 1 (in_features): a whole number of at most 2^53 expected, got number 1e+300")
case('tensor {a = 1}', 'tensor: a list of numbers expected, got a table with the key string "a"')
case('tensor {{b = 1}}', 'tensor: a list of numbers expected, got a table with the key string "b"')

-- ops that combine or reduce
for _, name in ipairs {"add", "sub", "mul", "div", "pow", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"} do
  case(("tensor.ones(2, 3):%s(tensor.ones(4))"):format(name), name .. "(a, b): shapes (2,3) and (4) do not broadcast")
end
case('tensor.ones(2):where(tensor.ones(3), 1)', "do not broadcast")
for _, name in ipairs {"sum", "mean", "var", "std", "max", "min", "prod", "norm", "logsumexp"} do
  case(("tensor.ones(2, 3):%s(3)"):format(name), name .. "(x, dims, keepdim")
  case(("tensor.ones(2, 3):%s({1, 1})"):format(name), "dimension 1 given twice")
end
for _, name in ipairs {"argmax", "argmin"} do case(("tensor.ones(2, 3):%s(3)"):format(name), name) end
for _, name in ipairs {"softmax", "log_softmax"} do case(("tensor.ones(2, 3):%s(3)"):format(name), name) end
case('tensor.ones(2, 3):sum_to(5)', "sum_to")
case('tensor.ones(2, 3):matmul(tensor.ones(4, 5))', "matmul(a, b): a's columns must equal b's rows, got (2,3) and (4,5)")
case('tensor.ones(2, 2, 3):matmul(tensor.ones(3, 3, 5))', "leading dimensions do not broadcast")
case('tensor(1):matmul(tensor.ones(2))', "takes matrices or vectors")
case('tensor.ones(2, 3):linear(tensor.ones(4, 5))', "the last dimension of x must be 5, got (2,3)")
case('tensor.ones(2, 3):linear(tensor.ones(4, 3), tensor.ones(3))', "bias must be (4), got (3)")

-- ops on shapes
case('tensor.ones(2, 3):reshape(5)', "reshape")
case('tensor.ones(2, 3):reshape(-1, -1)', "reshape")
case('tensor.ones(2, 3):flatten(3)', "flatten")
case('tensor.ones(2, 3):transpose(1, 3)', "transpose(x, a, b): dimension 3 of a tensor with 2 dimensions: 1..2 or -2..-1 expected")
case('tensor.ones(2, 3):permute(1, 1)', "permute")
case('tensor.ones(2, 3):permute(1)', "permute")
case('tensor.ones(2, 3):narrow(1, 2, 2)', "narrow")
case('tensor.ones(2, 3):select(1, 3)', "select")
case('tensor.cat {}', "cat")
case('tensor.cat {tensor.ones(2), tensor.ones(2, 2)}', "cat")
case('tensor.cat {tensor.ones(2), 5}', "cat: argument 1 (xs): a table of tensors expected, got number 5 at place 2")
case('tensor.stack {tensor.ones(2), tensor.ones(3)}', "stack")
case('tensor.ones(2, 3):expand(4, 3)', "expand")
case('tensor.ones(2, 3)["repeat"](tensor.ones(2, 3), 2)', "repeat")
case('tensor.ones(2, 3):pad({1})', "pad")
case('tensor.ones(2, 3):flip(3)', "flip")
case('tensor.ones(2, 3):index_select(1, tensor {3})', "index 3")
case('tensor.ones(2, 3):index_select(1, tensor {1.5})', "index 1.5")
case('tensor.ones(2, 3):gather(1, tensor {1})', "gather")
case('tensor.ones(2, 3):index_add(1, tensor {1}, tensor.ones(5))', "index_add")
case('tensor.ones(2, 3):scatter_add(1, tensor {1}, tensor.ones(5))', "scatter_add")
case('tensor {1, 9}:embedding(tensor.ones(4, 2))', "index 9")

-- images
case('tensor.ones(2, 3):conv2d(tensor.ones(3, 3, 1, 1))', "conv2d")
case('tensor.ones(1, 5, 5, 2):conv2d(tensor.ones(3, 3, 1, 1))', "conv2d")
case('tensor.ones(1, 2, 2, 1):conv2d(tensor.ones(3, 3, 1, 1))', "conv2d")
case('tensor.ones(1, 5, 5, 1):conv2d(tensor.ones(3, 3, 1, 1), nil, {stride = 0})', "conv2d")
case('tensor.ones(1, 5, 5, 2):conv_transpose2d(tensor.ones(3, 3, 1, 1))', "conv_transpose2d")
case('tensor.ones(5, 5):max_pool2d(2)', "max_pool2d")
case('tensor.ones(1, 5, 5, 1):avg_pool2d(7)', "avg_pool2d")
case('tensor.ones(5, 5):upsample(3)', "upsample")
case('tensor.ones(1, 5, 5, 1):upsample(3, {mode = "cubic"})', 'upsample: argument 3 (mode): one of "nearest", "bilinear" expected')
case('tensor.ones(2, 3):batch_norm(tensor.ones(2), tensor.ones(2), nil, nil)', "batch_norm")
case('tensor.ones(2, 3):layer_norm(tensor.ones(2))', "layer_norm")
case('tensor.ones(2, 3):dropout(2)', "dropout")

-- layers: wrong sizes when made, wrong shapes when called
case('nn.Linear(-1, 2)', "Linear")
case('nn.Linear(2, 3)(tensor.ones(4, 5))', "Linear")
case('nn.Linear(2, 3)(5)', "Linear: argument 1: a tensor expected, got number 5")
case('nn.Linear(2, 3)()', "Linear")
case('nn.Linear(2, 3)(tensor.ones(2), tensor.ones(2))', "Linear")
case('nn.Conv2d(0, 2, 3)', "Conv2d")
case('nn.Conv2d(1, 2, 3)(tensor.ones(5, 5))', "Conv2d")
case('nn.Conv2d(3, 6, 3, {groups = 2})', "nn.Conv2d: in_channels and out_channels must be multiples of groups, got 3, 6 and 2")
case('nn.Conv2d(3, 6, 3, {groups = 1.5})', "groups")
case('tensor.ones(1, 5, 5, 4):conv2d(tensor.ones(3, 3, 2, 3), nil, {groups = 2})', "conv2d")
case('nn.ConvTranspose2d(1, 2, 3)(tensor.ones(1, 5, 5, 3))', "ConvTranspose2d")
case('nn.BatchNorm(3)(tensor.ones(2, 4))', "BatchNorm")
case('nn.LayerNorm(3)(tensor.ones(2, 4))', "LayerNorm")
case('nn.Dropout(2)', "Dropout")
case('nn.Embedding(3, 2)(tensor {4})', "index 4")
case('nn.MaxPool2d(2)(tensor.ones(4, 4))', "MaxPool2d")
case('nn.AvgPool2d(0)', "AvgPool2d")
case('nn.Upsample {}', "give either size or scale_factor")
case('nn.Unflatten(2, {2, 2})(tensor.ones(3, 5))', "Unflatten")
case('nn.Reshape(4)(tensor.ones(3, 5))', "Reshape")
case('nn.Flatten()(5)', "Flatten: argument 1: a tensor expected")
case('nn.ReLU()(nil)', "ReLU: argument 1: a tensor expected, got nil")
case('nn.Sequential {nn.ReLU(), 5}', "Sequential: a table of modules expected, got number 5 at place 2")
case('nn.Sequential {nn.ReLU(), nil, nn.ReLU()}', "a table of modules expected, got nil at place 2")
case('nn.Sequential(nn.ReLU(), "x")', 'a table of modules expected, got string "x" at place 2')
case('nn.Sequential {nn.Linear(2, 3), nn.Linear(4, 5)}(tensor.ones(1, 2))', "Linear(4, 5)")
case('nn.Sequential {conv = nn.ReLU()}', "Sequential: unknown option 'conv'")
case('nn.Linear(2, 3):load("/nonexistent/net")', "module:load: /nonexistent/net: cannot read it: No such file or directory")
case('nn.Linear(2, 3):save("/nonexistent/net")', "module:save: /nonexistent/net: cannot write: No such file or directory")
case('nn.Linear(2, 3):apply(5)', "module:apply: argument 1 (f): a function expected, got number 5")
case('nn.Linear(2, 3):register_buffer("a.b", tensor.ones(1))', "'a.b' cannot be the name of a part")
case('nn.Linear(2, 3):register_buffer("a", 5)', "argument 2 (t): a tensor expected, got number 5")
case('nn.Linear(2, 3):register_parameter("a", tensor.ones(1):requires_grad() * 2)', "must be a leaf")
case('nn.Linear(2, 3):add_module("", nn.ReLU())', "cannot be the name of a part")
case('(function() local m = nn.Sequential {}; for i = 1, 200 do m = nn.Sequential {m} end end)()', "modules nest less than 100 deep")
case('nn.init.normal(5)', "argument 1 (t): a tensor expected, got number 5")
case('nn.init.xavier_uniform(tensor.ones(3))', "(3)")
case('nn.init.normal(tensor.ones(3), 0, -1)', "init.normal: std must be at least 0, got -1")
case('nn.module("A", {forward = 5})', "forward of A must be a function, got number 5")
case('nn.module("", {forward = print})', "a name without dots expected")

-- losses
for _, name in ipairs {"MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "HingeLoss"} do
  case(("nn.%s()(tensor.ones(2, 3), tensor.ones(4))"):format(name), name)
  case(("nn.%s()(tensor.ones(2, 3))"):format(name), name .. ": argument 2 (target): a tensor expected, got nil")
  case(("nn.%s {reduction = 'median'}"):format(name), name .. ': argument 1 (reduction): one of "mean", "sum", "none" expected')
end
case('nn.CrossEntropyLoss()(tensor.ones(2, 3), tensor {1, 4})', "4")
case('nn.CrossEntropyLoss()(tensor.ones(2, 3), tensor {1, 2, 3})', "CrossEntropyLoss")
case('nn.CrossEntropyLoss {label_smoothing = 2}(tensor.ones(2, 3), tensor {1, 2})', "label_smoothing")
case('nn.MSELoss()(1, 2, 3)', "takes 2 arguments (input, target), got number 3 besides")

-- optimizers and schedules
for _, name in ipairs {"SGD", "RMSprop", "Adam", "AdamW"} do
  case(("optim.%s({}, {lr = 0.1})"):format(name), name)
  case(("optim.%s({tensor.ones(1):requires_grad() * 2}, {lr = 0.1})"):format(name), "is the result of an operation")
  case(("optim.%s({tensor.ones(1):requires_grad()}, {lr = -1})"):format(name), "lr")
  case(("optim.%s({tensor.ones(1):requires_grad()}, {lr = 0/0})"):format(name), "lr")
  case(("optim.%s({5}, {lr = 0.1})"):format(name), "a table of tensors expected, got number 5 at place 1")
end
case('optim.Adam({tensor.ones(1):requires_grad()}, {betas = 0.5})', "betas")
case('optim.Adam({tensor.ones(1):requires_grad()}, {betas = {0.5, 1.5}})', "beta")
case('optim.Adam({tensor.ones(1):requires_grad()}).momentun', "optimizer: no field or method 'momentun'")
case('(function() optim.Adam({tensor.ones(1):requires_grad()}).lr = "x" end)()', "lr must be a number")
case('optim.StepLR(5, {step_size = 1})', "StepLR: argument 1 (optimizer): an optimizer expected, got number 5")
case('optim.StepLR(optim.SGD({tensor.ones(1):requires_grad()}, {lr = 1}), {step_size = 0})', "step_size")
case('nn.clip_grad_norm({tensor.ones(1):requires_grad()}, -1)', "max_norm")
case('nn.clip_grad_value({tensor.ones(1):requires_grad()}, -1)', "bound")
case('nn.clip_grad_norm({5}, 1)', "a table of tensors expected, got number 5 at place 1")

-- data and pictures
case('data.idx("/nonexistent/images")', "/nonexistent/images")
case('data.glyphs(0)', "data.glyphs: n must be at least 1, got 0")
case('data.ring {modes = 0}', "data.ring: modes must be at least 1, got 0")
case('data.tensors(tensor(1))', "data.tensors: x must have samples in its first dimension, got a number")
case('data.tensors(tensor.ones(2, 2), tensor.ones(3))', "labels must be (2), one for each sample of x, got (3)")
case('data.tensors(tensor.ones(2, 2), tensor {1, 0.5})', "index 0.5")
case('data.loader(5)', "data.loader: argument 1 (set): a dataset expected, got number 5")
case('data.loader(data.glyphs(5), {batch = 0})', "batch must be at least 1, got 0")
case('data.loader(data.glyphs(5), {batch = 10, drop_last = true})', "a batch of 10 is more than the 5 samples")
case('data.loader(data.glyphs(5), {augment = function(x) return 5 end}):next()', "data.loader: augment: must return a tensor, got number 5")
case('data.loader(data.glyphs(5), {augment = function(x) error("broken", 0) end}):next()', "augment: broken")
case('data.loader(data.glyphs(5), {augment = function(x) return x[1] end}):next()', "as many samples as it got, 5; it returned (28,28,1)")
case('data.glyphs(5)[6]', "dataset: sample 6 asked for, there are 5")
case('data.glyphs(5):batch(3, 4)', "dataset:batch: samples 3 to 6 asked for, there are 5")
case('data.tensors(tensor.ones(3, 2), tensor {1, 2, 3}):label("x", {"a"})', "dataset:label: 1 class names for 3 classes")
case('data.glyphs(5):label("x", {"a"})', "have names already")
case('data.folder("/nonexistent")', "cannot read the folder '/nonexistent'")
case(('data.folder(%q)'):format(folder), "has no PNG or JPEG files")
case('data.mnist {}', "data.mnist: dir is missing")
case('data.mnist {dir = "/nonexistent"}', "/nonexistent")
case('data.fashion {dir = "/nonexistent"}', "apt install dataset-fashion-mnist")
case('data.images({}, {size = 8})', "no PNG or JPEG files")
case('data.images({5})', "files[1] must be a text, got number 5")
case('data.images({"/nonexistent.png"})', "/nonexistent.png")
case('data.list("/nonexistent")', "data.list: cannot read the folder '/nonexistent'")
case('image.load("/nonexistent.png")', "/nonexistent.png")
case('image.save("/nonexistent/x.png", tensor.ones(2, 2))', "image.save: /nonexistent/x.png: cannot write")
case(('image.save(%q, tensor.ones(2))'):format(folder .. "/x.png"), "(2)")
case('image.save("picture.jpg", tensor.ones(2, 2))', "image.save: picture.jpg: pictures are written as PNG, so a name that ends in .png")
case('image.grid(3)', "image.grid: x must be (N,H,W) or (N,H,W,C), got ()")
case('image.grid(tensor.ones(2))', "image.grid: x must be (N,H,W) or (N,H,W,C), got (2)")

-- trainers
case('gan.Trainer {}', "gan.Trainer: argument 1 (generator) is missing")
case('gan.Trainer {generator = 5}', "gan.Trainer: argument 1 (generator): a module expected, got number 5")
case('gan.Trainer {generatr = nn.ReLU()}', "unknown option 'generatr', did you mean 'generator'?")
case('nn.Trainer {model = nn.Linear(1, 1), loss = 5, optim = 5, data = 5}', "nn.Trainer: loss: a loss, or a module or a function of output and target expected, got number 5")

for _, c in ipairs(cases) do
  local f = assert(load("return " .. c[1], "=code"))
  check.error(f, c[2], c[1])
  check.error(f, "code:1:", c[1] .. " names the line")
end

-- the prompt lives on, and nothing is left behind
check.equal((tensor.ones(2) + 1):sum():item(), 4)
local trainer = object.trainer
check.error(function() trainer:run {} end, "how long?")
check.error(function() trainer:run {epochs = 1, steps = 1} end, "not both")
check.error(function() trainer:run {steps = -1} end, "at least 0")
check.error(function() trainer:resume("/nonexistent/x") end, "trainer:resume: /nonexistent/x: cannot read it")
check.error(function() trainer:save("/nonexistent/x") end, "trainer:save: /nonexistent/x: cannot write")
check.error(function() args(3) end, "args: a table of options expected, got number 3")
check.error(function() trainer.d_steps = 0 end, "trainer: d_steps must be a whole number from 1 to 1000000, got number 0")
check.error(function() trainer.generatr = 0 end, "did you mean 'generator'?")
check.error(function() trainer:evaluate() end, "only an nn.Trainer")

check.done()
