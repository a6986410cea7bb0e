-- First and second derivatives of every op against central differences, at the examples of its row. In this build Winograd's
-- algorithm computes every convolution that it can, so those are checked both ways.
local check = dofile("tests/check.lua")

local worst, where = 0, "nothing"
local function derivatives(name, seed)
  tensor.seed(seed)
  check.run(name, function()
    local result = tensor.gradcheck(name)
    check.that(result.ok, name .. ": " .. result.where)
    if result.second > worst then worst, where = result.second, name end
  end)
end

for i, name in ipairs(tensor.ops()) do
  derivatives(name, i)
  if name:find("conv") then
    nn.exact(true)
    derivatives(name, i)
    nn.exact(false)
  end
end
check.that(#tensor.ops() > 80, "all ops are listed")
print(("largest relative error: %.2g (%s)"):format(worst, where))
check.done()
