-- Every op gives the same bits with each set of kernels that the CPU can run and on any number of threads: the examples of all
-- rows, as they are and enlarged, with first and second derivatives, and the steps of a GAN and a classifier.
local check = dofile("tests/check.lua")
local networks = dofile("tests/networks.lua")

-- ---- what is compared: lines "name: hash", printed by a gander of its own for each setting ----

local file = os.tmpname()

local function hash(t)
  t:detach():save(file)
  local from <close> = assert(io.open(file, "rb"))
  local bytes, h = from:read("a"), 0xcbf29ce484222325 -- FNV-1a, by words
  for i = 1, #bytes // 4 do h = (h ~ string.unpack("<I4", bytes, 4 * i - 3)) * 0x100000001b3 end
  return h
end

local function report(name, list)
  local hashes = {}
  for i, t in ipairs(list) do hashes[i] = ("%016x"):format(hash(t)) end
  print(("%s: %s"):format(name, table.concat(hashes, " ")))
end

-- `tensor` as examples see it: sides longer than 1 are `factor` times as long, and all numbers are inputs of derivatives.
local function larger(factor, inputs)
  local own = {}
  local function input(t)
    if t:numel() > 200000 then error("too large") end
    inputs[#inputs + 1] = t:requires_grad()
    return t
  end
  for _, name in ipairs {"rand", "randn"} do
    own[name] = function(...)
      local sides = type(...) == "table" and ... or {...}
      return input(tensor[name](check.map(sides, function(n) return n > 1 and n * factor or n end)))
    end
  end
  return setmetatable(own, {
    __index = tensor,
    __call = function(_, values)
      local t = tensor(values)
      local times = check.map(t.shape, function(n) return n > 1 and factor or 1 end)
      return input(#times > 0 and tensor["repeat"](t, table.unpack(times)) or t)
    end,
  })
end

-- The derivatives of y by the inputs that it depends on; none if that is none.
local function gradients(y, inputs, options)
  local ok, list = pcall(tensor.grad, y, inputs, options)
  if not ok and not tostring(list):find("does not depend", 1, true) then error(list) end
  local found = {}
  for i = 1, ok and #inputs or 0 do found[#found + 1] = list[i] end
  return found
end

-- The result of a line of an example, the derivatives by its inputs, and theirs.
local function derivatives(line, factor)
  local inputs = {}
  local y = assert(load("return " .. line, line, "t", setmetatable({tensor = larger(factor, inputs)}, {__index = _G})))()
  local all = {y}
  local first = gradients(y, inputs, {gradient = tensor.randn(y.shape), create_graph = true})
  local sum = tensor.zeros(1)
  for _, g in ipairs(first) do
    all[#all + 1] = g
    sum = sum + g:mul(tensor.randn(g.shape)):sum()
  end
  for _, g in ipairs(gradients(sum, inputs)) do all[#all + 1] = g end
  return all
end

local function print_rows()
  local examples = {}
  for _, topic in ipairs(topics()) do examples[topic.name] = topic.example end
  for number, op in ipairs(tensor.ops()) do
    for line in examples["tensor." .. op]:gmatch("[^\n]+") do
      for _, factor in ipairs {1, 5, 13} do
        tensor.seed(number)
        local ok, list = pcall(derivatives, line, factor)
        if ok then
          report(("%s, %d times: %s"):format(op, factor, line), list)
        elseif factor == 1 then
          error(line .. ": " .. list)
        end
      end
    end
  end
end

-- Products with few rows, few columns or short sums, which no example has when it is enlarged.
local function print_products()
  for _, sides in ipairs {{1, 300, 600}, {2, 270, 301}, {4, 513, 300}, {300, 513, 1}, {300, 99, 3}, {150, 3, 333}} do
    local m, k, n = table.unpack(sides)
    for _, line in ipairs {
      ("tensor.randn(%d,%d):matmul(tensor.randn(%d,%d))"):format(m, k, k, n),
      ("tensor.randn(%d,%d):linear(tensor.randn(%d,%d), tensor.randn(%d))"):format(m, k, n, k, n),
    } do
      tensor.seed(m)
      report(line, derivatives(line, 1))
    end
  end
end

local function print_networks()
  local makers = {
    dcgan = function() return networks.gan(32, 8) end,
    ["wgan-gp"] = function() return networks.gan(8, 8, {loss = "wgan-gp", d_steps = 2}) end,
    classifier = function() return networks.classifier(32) end,
  }
  for _, name in ipairs {"dcgan", "wgan-gp", "classifier"} do
    tensor.seed(3)
    local t, a, b = makers[name]()
    for _ = 1, 5 do t:step() end
    for i, net in ipairs {a, b} do report(("%s, network %d"):format(name, i), net:parameters()) end
  end
end

local o = args {lines = {false, "print what is to be compared"}}
if o.lines then
  print_rows()
  print_products()
  print_networks()
  os.remove(file)
  return
end

-- ---- settings ----

local function lines(cpu, n)
  local command = ("GANDER_CPU=%s %s --headless --threads %d tests/cpus.lua --lines 2>&1")
  local pipe <close> = io.popen(command:format(cpu, os.getenv("GANDER") or "build/gander", n))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  local ok = pipe:close()
  return ok, list
end

local function cpu_has(feature)
  local about = io.open("/proc/cpuinfo")
  return about and about:read("a"):find("%f[%w]" .. feature .. "%f[%W]") ~= nil
end

local ok, one = lines("generic", 1)
check.that(ok, "the examples run: " .. tostring(one[#one]))
check.that(#one > 300, "results of all rows are compared, got " .. #one)

local function compare(cpu, n)
  check.run(cpu, function()
    local ran, list = lines(cpu, n)
    check.that(ran, ("%s, %d threads: %s"):format(cpu, n, list[#list]))
    check.equal(#list, #one, cpu .. ": results")
    for i, line in ipairs(one) do
      check.that(list[i] == line, ("%s, %d threads: %s\n  and on one generic thread: %s"):format(cpu, n, list[i], line))
    end
  end)
end

compare("generic", 3)
local has_avx2 = cpu_has("avx2") and cpu_has("fma")
if has_avx2 then compare("avx2", 2) end
if has_avx2 and cpu_has("avx512f") and cpu_has("avx512vl") and cpu_has("avx512dq") then compare("avx512", 1) end

check.done()
