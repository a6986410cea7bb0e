-- Times single ops on the shapes of sweep.txt, when told to: each line of standard input is a line of it, what of the op
-- (f forward, 1 2 .. the gradient by that input, a by all), how often, and a number of threads. sweep.py asks.

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
      row.options[name] = #list == 0 and (value == "true" or value) or #list == 1 and list[1] or list
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

-- Tensors that come behind an option are given by name.
local by_name = {gather = "indices", scatter_add = "indices"}

local function call(row)
  local x, op = row.inputs, tensor[row.op]
  if row.op == "cat" then return op(x, row.options) end
  if #x == 0 then return op(row.options) end
  if by_name[row.op] then
    row.options.indices, row.options.source = x[2], x[3]
    return op(x[1], row.options)
  end
  return #x == 1 and op(x[1], row.options) or #x == 2 and op(x[1], x[2], row.options) or op(x[1], x[2], x[3], row.options)
end

-- What is timed, as a function.
local function task(row, which)
  if which == "f" then return function() call(row):free() end end
  local inputs = which == "a" and row.inputs or {row.inputs[tonumber(which)]}
  for _, x in ipairs(inputs) do x:requires_grad() end
  local y = call(row)
  local gradient = tensor.randn(y.shape)
  return function()
    for _, d in ipairs(tensor.grad(y, inputs, gradient, {retain_graph = true})) do d:free() end
  end
end

local function time(row, which, times)
  local run = task(row, which)
  run()
  local wall, cpu = clock(), os.clock()
  for _ = 1, times do run() end
  wall, cpu = clock() - wall, os.clock() - cpu
  for _, x in ipairs(row.inputs) do x:requires_grad(false) end
  return 1000 * wall / times, 1000 * cpu / times
end

local rows, number = {}, 0
for line in io.lines("tests/bench/sweep.txt") do
  number = number + 1
  if line:match("^%a") then rows[number] = line end
end

local row, kept
io.write("ready\n"):flush()
for line in io.lines() do
  local at, which, times, n = line:match("(%d+) (%w) (%d+) (%d+)")
  if kept ~= at then row, kept = read_line(rows[tonumber(at)]), at end
  threads(math.tointeger(n))
  io.write(("%.9f %.9f\ndone\n"):format(time(row, which, tonumber(times)))):flush()
end
