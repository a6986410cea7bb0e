-- The same seed gives the same bits on 1, 2 and 3 threads, and after stopping in mid-epoch and resuming.
local check = dofile("tests/check.lua")
local networks = dofile("tests/networks.lua")

local function trained(make, steps)
  tensor.seed(3)
  local t, a, b = make()
  for _ = 1, steps do t:step() end
  return networks.bits(a, b)
end

local makers = {
  dcgan = function() return networks.gan(64, 16) end,
  cnn = function() return networks.classifier(32) end,
  ["wgan-gp"] = function() return networks.gan(8, 8, {loss = "wgan-gp", d_steps = 2}) end,
}

local before = threads()
for name, make in pairs(makers) do
  check.run(name, function()
    threads(1)
    local one = trained(make, 3)
    check.that(#one > 1000, name .. " has weights")
    for n = 2, 3 do
      threads(n)
      check.that(trained(make, 3) == one, ("%s: %d threads give the bits of one"):format(name, n))
    end
    tensor.seed(4)
    local other = make()
    check.that(trained(function() tensor.seed(4) return make() end, 3) ~= one, name .. ": another seed gives others")
  end)
end
threads(before)

for name, make in pairs(makers) do
  check.run(name .. " resumed", function()
    local file = os.tmpname()
    tensor.seed(5)
    local t, a, b = make()
    for _ = 1, 3 do t:step() end
    t:save(file)
    for _ = 1, 4 do t:step() end
    local whole = networks.bits(a, b)
    tensor.seed(99)
    local u, c, d = make()
    u:step()
    u:resume(file)
    check.equal(u.report.step, 3, name .. ": step after resuming")
    for _ = 1, 4 do u:step() end
    check.that(networks.bits(c, d) == whole, name .. ": resumed in mid-epoch gives the bits of never having stopped")
    os.remove(file)
  end)
end

check.done()
