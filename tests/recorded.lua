-- Compares gander with what PyTorch computed (tests/record.py writes tests/recorded/*.lua).
local check = dofile("tests/check.lua")
local tolerance = 1e-5

local function unpack_tensor(recorded)
  local values = {table.unpack(recorded)}
  return #values > 0 and tensor(values):reshape(recorded.shape) or tensor.zeros(recorded.shape)
end

-- The largest difference, relative to the largest value of the tensor.
local function difference(got, recorded)
  local want = unpack_tensor(recorded)
  if table.concat(got.shape, ",") ~= table.concat(want.shape, ",") then return math.huge end
  local scale = math.max(want:abs():max():item(), 1e-3)
  return (got - want):abs():max():item() / scale
end

local function near(name, got, recorded, bound)
  local d = difference(got, recorded)
  check.that(d <= (bound or tolerance), ("%s: differs from PyTorch by %.2g"):format(name, d))
end

local function cosines(shape)
  local n = 1
  for _, side in ipairs(shape) do n = n * side end
  return tensor.arange(1, n, 1):cos():reshape(shape)
end

-- ops, layers and losses: values and gradients
for _, case in ipairs(dofile("tests/recorded/cases.lua")) do
  local inputs = setmetatable({}, {__index = _G})
  for name, recorded in pairs(case.inputs) do
    inputs[name] = unpack_tensor(recorded)
    if name:sub(1, 1) ~= "k" then inputs[name]:requires_grad() end
  end
  check.run(case.name, function()
    local out = assert(load("return " .. case.code, case.name, "t", inputs))()
    near(case.name, out:detach(), case.out)
    if next(case.grads) then (out * cosines(out.shape)):sum():backward() end
    for name, recorded in pairs(case.grads) do
      near(case.name .. ": gradient of " .. name, inputs[name].grad, recorded)
    end
  end)
end

-- optimizers and schedules: ten steps of a two-layer network
local recorded = dofile("tests/recorded/training.lua")
for _, run in ipairs(recorded) do
  local name = run.schedule or run.optimizer
  check.run(name, function()
    local w1, w2 = unpack_tensor(recorded.net.w1):requires_grad(), unpack_tensor(recorded.net.w2):requires_grad()
    local x, y = unpack_tensor(recorded.net.x), unpack_tensor(recorded.net.y)
    local env = setmetatable({p = {w1, w2}}, {__index = _G})
    env.o = load("return " .. run.optimizer, name, "t", env)()
    local schedule = run.schedule and load("return " .. run.schedule, name, "t", env)()
    local losses, rates = {}, {}
    for step = 1, 10 do
      env.o:zero_grad()
      local loss = nn.MSELoss()(x:matmul(w1):tanh():matmul(w2), y)
      loss:backward()
      rates[step] = env.o.lr
      env.o:step()
      if schedule then schedule:step() end
      losses[step] = loss:item()
    end
    near(name .. ": losses", tensor(losses), run.losses)
    near(name .. ": learning rates", tensor(rates), run.rates)
    near(name .. ": first weight", w1:detach(), run.w1)
    near(name .. ": second weight", w2:detach(), run.w2)
  end)
end

check.done()
