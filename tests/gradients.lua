-- First and second derivatives of every op against central differences, at the examples of its row.
local check = dofile("tests/check.lua")

local worst, where = 0, "nothing"
for i, name in ipairs(tensor.ops()) do
  tensor.seed(i)
  check.run(name, function()
    local result = tensor.gradcheck(name)
    check.that(result.ok, name .. ": " .. result.where)
    if result.second > worst then worst, where = result.second, name end
  end)
end
check.that(#tensor.ops() > 80, "all ops are listed")
print(("largest relative error: %.2g (%s)"):format(worst, where))
check.done()
