-- Modules as scripts see them: calling, parts, settings, layers written in Lua, losses, optimizers, saving.
local check = dofile("tests/check.lua")

local function sum(t) return t:sum():item() end

check.run("calling and parts", function()
  local net = nn.Sequential {nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, {bias = false})}
  local y = net(tensor.randn(5, 3))
  check.equal(tostring(y.shape), "(5,2)")
  check.equal(tostring(net:forward(tensor.randn(3)).shape), "(2)")
  check.equal(#net, 3)
  check.that(net[1] == net:children()[1] and net[4] == nil)
  check.equal(tostring(net[1].weight.shape), "(4,3)")
  check.equal(net[3].bias, nil, "declared but absent")
  check.equal(net[1].in_features, 3)
  check.equal(net.nothing, nil)
  check.equal(#net:parameters(), 3)
  local names = {}
  for name in net:named_parameters() do names[#names + 1] = name end
  check.equal(table.concat(names, " "), "1.weight 1.bias 3.weight")
  check.equal(#net:modules(), 4)
  check.that(net:modules()[4] == net)
  check.equal(#nn.Sequential(nn.ReLU(), nn.Tanh()), 2, "modules as arguments")
  check.equal(#nn.Sequential {}, 0)
  check.equal(#nn.Sequential(), 0)
  check.equal(nn.Conv2d(3, 8, 4, {stride = 2, padding = {1, 2}}).padding[2], 2)
  check.equal(nn.Conv2d {in_channels = 3, out_channels = 8, kernel_size = 4}.kernel_size[1], 4)
  check.equal(nn.Upsample {scale_factor = 2, mode = "bilinear"}.mode, "bilinear")
  check.equal(nn.BatchNorm(4).running_mean:dim(), 1)
end)

check.run("states", function()
  local net = nn.Sequential {nn.Linear(2, 2), nn.Dropout(0.5)}
  check.that(net.training and net[2].training)
  check.that(net:eval() == net and not net[2].training)
  local x = tensor.ones(3, 2)
  check.equal(sum((net(x) - net[1](x)):abs()), 0)
  net:train()
  check.that(net[2].training)
  net:train(false)
  check.that(not net.training)
  sum(net(x))
  net(x):sum():backward()
  check.that(net[1].weight.grad ~= nil)
  net:zero_grad()
  check.that(net[1].weight.grad == nil)
  net:requires_grad(false)
  check.error(function() net(x):sum():backward() end, "does not depend")
  net:requires_grad()
  net(x):sum():backward()
  check.that(net[1].weight.grad ~= nil)
end)

check.run("changing parts", function()
  local net = nn.Sequential {nn.Linear(2, 2), nn.ReLU()}
  net[2] = nn.Tanh()
  net[3] = nn.Linear(2, 1)
  net:append(nn.Sigmoid()):add_module("last", nn.ReLU())
  check.equal(#net, 5)
  check.that(net.last == net[5])
  check.equal(tostring(net(tensor.ones(4, 2)).shape), "(4,1)")
  net[1].weight = tensor.zeros(2, 2)
  check.equal(sum(net[1].weight), 0)
  net[3].weight = net[3].weight
  local a, b = nn.Linear(3, 3), nn.Linear(3, 3)
  a.weight = b.weight
  check.that(rawequal(a.weight, b.weight), "tied")
  check.equal(#nn.Sequential {a, b}:parameters(), 3)
  net:apply(function(m) if m.weight then nn.init.constant(m.weight, 2) end end)
  check.equal(net[1].weight[{1, 1}], 2)
  check.error(function() net:apply(function() error("in apply") end) end, "in apply")
  check.error(function() net[1].weight = tensor.zeros(3, 3) end, "weight must have shape (2,2), got (3,3)")
  check.error(function() net[1].weight = 5 end, "can only be replaced by one, got number 5")
  check.error(function() net[7] = nn.ReLU() end, "parts are numbered 1 to 5, and 6 adds one; got number 7")
  check.error(function() net[1].colour = "red" end, "has no field colour")
  check.error(function() net[1] = net end, "a module cannot contain itself")
  check.error(function() net.last = 3 end, "last is a module and can only be replaced by one")
end)

local Net = nn.module("Net", {
  init = function(self, n)
    self.fc = nn.Linear(n, n)
    self.scale = tensor.ones(1):requires_grad()
    self.plain = tensor.ones(1)
    self:register_buffer("count", tensor.zeros(1))
    self.note = "mine"
  end,
  forward = function(self, x, more) return x + self.fc(x) * self.scale, self.note, more end,
  double = function(self) return self.note .. self.note end,
})

check.run("layers written in Lua", function()
  local net = Net(3)
  local y, note, more = net(tensor.ones(2, 3), "extra")
  check.equal(tostring(y.shape), "(2,3)")
  check.equal(note, "mine")
  check.equal(more, "extra", "any arguments and results")
  check.equal(net:double(), "minemine")
  check.equal(#net:parameters(), 3)
  check.equal(tostring(net.plain.shape), "(1)")
  check.that(net:state_dict().count ~= nil and net:state_dict().scale ~= nil and net:state_dict().plain == nil)
  net.note = "changed"
  check.equal(select(2, net(tensor.ones(1, 3))), "changed")
  check.equal(tostring(Net), "nn.module Net")
  Net.late = function(self) return self.note end
  check.equal(net:late(), "changed", "methods may come later")
  check.that(rawequal(net, nn.Sequential {net}[1]), "the same object is the same userdata")
  check.error(function() net.fc = nil end, "fc is a module")
  net.scale = nil
  check.equal(#net:parameters(), 2)
end)

check.run("they nest and outlive their variables", function()
  local G = nn.Sequential {Net(2), nn.ReLU(), nn.Sequential {Net(2)}}
  collectgarbage()
  collectgarbage()
  check.equal(tostring(G(tensor.ones(4, 2)).shape), "(4,2)")
  check.equal(G[3][1].note, "mine", "fields stay while C holds the module")
  collectgarbage()
  check.equal(#G:parameters(), 6)
  G(tensor.ones(4, 2)):sum():backward()
  check.that(G[1].fc.weight.grad ~= nil)
  local gone = setmetatable({}, {__mode = "v"})
  do
    local net = Net(2)
    net.me = function() return net end -- a cycle
    gone[1] = net.me
  end
  collectgarbage()
  collectgarbage()
  check.equal(gone[1], nil, "cycles are collected")
  local holder = nn.Sequential {Net(2)}
  holder[1].me = function() return holder end
  gone[1] = holder[1].me
  holder = nil
  collectgarbage()
  collectgarbage()
  collectgarbage()
  check.equal(gone[1], nil, "cycles through modules of C are collected")
end)

check.run("errors in them", function()
  local Bad = nn.module("Bad", {forward = function(self, x) return x + undefined_thing end})
  check.error(function() nn.Sequential {nn.ReLU(), Bad()}(tensor.ones(2)) end, "module.lua:")
  check.error(function() nn.Sequential {nn.ReLU(), Bad()}(tensor.ones(2)) end, "got nil")
  local Odd = nn.module("Odd", {forward = function() return 5 end})
  check.error(function() nn.Sequential {Odd()}(tensor.ones(2)) end, "layer 1 (Odd): must return a tensor, got number 5")
  check.equal(Odd()(1), 5, "called from Lua it may return anything")
  local Thrower = nn.module("Thrower", {forward = function() error({}) end})
  check.error(function() nn.Sequential {Thrower()}(tensor.ones(2)) end, "the error is a table, not a text")
  local Yielder = nn.module("Yielder", {forward = function(_, x) return coroutine.yield(x) end})
  local routine = coroutine.wrap(function() return nn.Sequential {Yielder()}(tensor.ones(2)) end)
  check.error(routine, "yield across a C-call boundary")
  check.error(function() nn.module("A", {}) end, "forward of A must be a function, got nil")
  check.error(function() nn.module("A.b", {forward = print}) end, "a name without dots expected")
  check.error(function() nn.module("A", {forward = print, init = 3}) end, "init of A must be a function, got number 3")
  local Fails = nn.module("Fails", {init = function() error("no init") end, forward = print})
  check.error(function() Fails() end, "no init")
  local inside = coroutine.wrap(function() return nn.Sequential {Net(2)}(tensor.ones(1, 2)) end)
  check.equal(tostring(inside().shape), "(1,2)", "in a coroutine")
end)

check.run("losses", function()
  local loss = nn.MSELoss()
  check.equal(loss(tensor {1, 2}, tensor {1, 4}):item(), 2)
  check.equal(loss(tensor {1, 2}, 0):item(), 2.5)
  check.equal(nn.MSELoss {reduction = "sum"}(tensor {1, 2}, 0):item(), 5)
  check.equal(nn.MSELoss("sum")(tensor {1, 2}, 0):item(), 5)
  check.equal(nn.MSELoss("none").reduction, "none")
  check.near(nn.CrossEntropyLoss()(tensor {{0, 0}}, tensor {2}):item(), math.log(2), 1e-6)
end)

check.run("training by hand", function()
  tensor.seed(1)
  local net = nn.Sequential {Net(2), nn.Linear(2, 1)}
  local x, y = tensor {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, tensor {{0}, {1}, {1}, {2}}
  local opt = optim.Adam(net:parameters(), {lr = 0.05})
  local first, last
  for i = 1, 100 do
    opt:zero_grad()
    local loss = nn.MSELoss()(net(x), y)
    loss:backward()
    check.that(nn.clip_grad_norm(net:parameters(), 10) > 0)
    opt:step()
    first, last = first or loss:item(), loss:item()
  end
  check.that(last < first / 10, "the loss falls")
end)

local function line_trainer(loss)
  tensor.seed(3)
  local x = tensor.randn(64, 2)
  local net = nn.Linear(2, 2)
  return nn.Trainer {
    model = net, loss = loss, optim = optim.SGD(net:parameters(), {lr = 0.1}), data = data.loader(data.tensors(x), {batch = 16}),
  }, net
end

check.run("losses of one's own", function()
  local function mean_square(output, target) return (output - target):square():mean() end
  local a, net_a = line_trainer(nn.MSELoss())
  local b, net_b = line_trainer(mean_square)
  local c = line_trainer(nn.module("Loss", {forward = function(self, output, target) return mean_square(output, target) end})())
  for _, t in ipairs {a, b, c} do t:run {epochs = 2} end
  check.near(b.report.loss, a.report.loss, 1e-6)
  check.equal(c.report.loss, b.report.loss)
  check.near(sum((net_a.weight - net_b.weight):abs()), 0, 1e-5)
  check.near(b:evaluate(b.data), a:evaluate(a.data), 1e-6)
  local file = os.tmpname()
  b:save(file)
  local resumed, net = line_trainer(mean_square)
  resumed:resume(file)
  resumed:step()
  b:step()
  check.equal(sum((net_b.weight - net.weight):abs()), 0)
  os.remove(file)
  b, net_b = nil, nil
  collectgarbage()
  collectgarbage()
  check.error(function() line_trainer(function(output) return output end):step() end,
    "nn.Trainer: step 1: loss: one number expected, as a sum or a mean gives, got (16,2)")
  check.error(function() line_trainer(function() return 5 end):step() end, "step 1: loss: must return a tensor, got number 5")
  check.error(function() line_trainer(function() error("no such luck") end):step() end, "no such luck")
  check.error(function() line_trainer(function(output) return output:sum() / 0 end):step() end, "nn.Trainer: ")
end)

check.run("a loss of one's own lives as long as its trainer", function()
  local calls = 0
  local watch = setmetatable({}, {__mode = "v"})
  do
    local t
    t = line_trainer(function(output, target)
      calls = calls + 1
      return (output - target):abs():mean() * (t and 1 or 0)
    end)
    t:step()
    collectgarbage()
    t:step()
    watch[1] = t
  end
  collectgarbage()
  collectgarbage()
  check.equal(calls, 2)
  check.equal(watch[1], nil, "the circle of trainer, function and variable is collected")
end)

check.run("saving", function()
  local file = os.tmpname()
  local a, b = nn.Sequential {Net(2), nn.BatchNorm(2)}, nn.Sequential {Net(2), nn.BatchNorm(2)}
  a[1].count[1] = 7
  check.that(a:save(file) == a)
  check.that(b:load(file) == b)
  check.equal(sum((a[1].fc.weight - b[1].fc.weight):abs()), 0)
  check.equal(b[1].count[{1}], 7)
  check.error(function() nn.Linear(2, 2):load(file) end, file)
  os.remove(file)
  check.error(function() a:load(file) end, file)
end)

check.run("initialisation", function()
  local t = tensor.zeros(200, 200)
  for _, name in ipairs {"normal", "uniform", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"} do
    check.that(nn.init[name](t) == t)
    check.that(sum(t:square()) > 1, name)
  end
  nn.init.normal(t, 3, 0.1)
  check.near(t:mean():item(), 3, 0.01)
  nn.init.uniform(t, {low = -2, high = -1})
  check.that(t:max():item() < -1)
  nn.init.constant(t, 4)
  check.equal(t:min():item(), 4)
end)

check.done()
