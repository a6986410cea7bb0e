-- Times single ops on the shapes of sweep.txt, when told to: each line of standard input is a line of it, what of the op
-- (0 forward, 1 2 .. the gradient by that input), how often, and a number of threads. run.py asks.

local function numbers(text)
  local list = {}
  for n in text:gmatch("[^,]+") do list[#list + 1] = tonumber(n) end
  return list
end

local function read_line(line)
  local row = {inputs = {}, options = {}}
  for word in line:gmatch("%S+") do
    local name, value = word:match("^(.-)=(.+)$")
    local shape, most = word:match("^([%d,]+)<?(%d*)$")
    if name then
      local list = numbers(value)
      row.options[name] = #list == 0 and value or #list == 1 and list[1] or list
    elseif not row.op then
      row.op = word
    elseif not row.what then
      row.what = word
    else
      local sides = numbers(shape)
      row.inputs[#row.inputs + 1] = most == "" and tensor.randn(sides) or tensor.randint(1, tonumber(most), sides)
    end
  end
  return row
end

local function call(row)
  local x, op = row.inputs, tensor[row.op]
  if row.op == "cat" then return op(x, row.options) end
  return #x == 1 and op(x[1], row.options) or #x == 2 and op(x[1], x[2], row.options) or op(x[1], x[2], x[3], row.options)
end

local function forward(row, times)
  tensor.no_grad(function()
    for _ = 1, times do call(row):free() end
  end)
end

local function backward(row, at, times)
  local x = row.inputs[at]:requires_grad()
  local y = call(row)
  local gradient = tensor.randn(y.shape)
  local function derive() return tensor.grad(y, {x}, gradient, {retain_graph = true})[1] end
  derive()
  local wall, cpu = clock(), os.clock()
  for _ = 1, times do derive():free() end
  wall, cpu = clock() - wall, os.clock() - cpu
  x:requires_grad(false)
  return wall, cpu
end

local function time(row, at, times)
  if at > 0 then return backward(row, at, times) end
  local wall, cpu = clock(), os.clock()
  forward(row, times)
  return clock() - wall, os.clock() - cpu
end

local rows, number = {}, 0
for line in io.lines("tests/bench/sweep.txt") do
  number = number + 1
  if line:match("^%a") then rows[number] = line end
end

local row, kept
io.write("ready\n"):flush()
for line in io.lines() do
  local order = {}
  for n in line:gmatch("%d+") do order[#order + 1] = math.tointeger(n) end
  if kept ~= order[1] then row, kept = read_line(rows[order[1]]), order[1] end
  threads(order[4])
  local wall, cpu = time(row, order[2], order[3])
  io.write(("%.9f %.9f\ndone\n"):format(1000 * wall / order[3], 1000 * cpu / order[3])):flush()
end
