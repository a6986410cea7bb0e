-- What the benchmark's workloads are run with: `local bench = dofile("tests/bench/bench.lua")`, at the end
-- bench.gan(t, networks, inputs), bench.train for other trainers, or bench.loop(step, networks, inputs).
-- Alone, `gander tests/bench/mlp.lua` prints what a step takes; tests/bench/run.py compares programs and threads.
local bench = {}
local warm = 3 -- steps that fill the caches and are not counted

local o = args {
  steps = {20, "steps to time"},
  batch = {0, "samples in a step; 0: as the workload says"},
  save = {"", "folder that gets weights, inputs and the random numbers' place before the first step"},
  net = {"", "file that gets the weights after the last step"},
  window = {false, "what a window costs: for GANs, turn about without one, with one that shows the training, with one at rest"},
  turns = {24, "with --window: how often each of these has its turn"},
  serve = {false, "time steps when told to: each line of standard input is a number of steps and one of threads"},
}

function bench.batch(usual)
  return o.batch > 0 and o.batch or usual
end

-- What another program needs to do the same: trainers draw from the seed that they drew last but one.
local function save(networks, inputs)
  local n = 0
  for _, net in ipairs(networks) do
    for _, p in ipairs(net:parameters()) do
      n = n + 1
      p:detach():save(("%s/weight%d.npy"):format(o.save, n))
    end
  end
  for i, x in ipairs(inputs) do x:save(("%s/input%d.npy"):format(o.save, i)) end
  local file <close> = assert(io.open(o.save .. "/random", "w"))
  file:write(("%d %d\n"):format(tensor.random_state()))
end

local function time(step)
  local wall, cpu = clock(), os.clock()
  step()
  return 1000 * (clock() - wall), 1000 * (os.clock() - cpu)
end

local function peak_memory()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmHWM:%s*(%d+)")
    if kb then return kb * 1024 end
  end
end

-- Pages that the system had to find: a number of proc(5)'s, the eighth behind the program's name.
local function page_faults()
  local file <close> = assert(io.open("/proc/self/stat"))
  return tonumber(file:read("a"):match("%) %S+" .. (" %S+"):rep(6) .. " (%d+)"))
end

-- One line for each step, milliseconds by the clock and of the processor; then of all steps GFLOP; of all but the first, after
-- which threads are warm, blocks that tensors asked of the system and page faults; and the peak memory so far.
local function serve(step)
  io.write("ready\n"):flush()
  for line in io.lines() do
    local steps, n = line:match("(%d+) (%d+)")
    threads(math.tointeger(n))
    local flop, fresh, faults = flops()
    for i = 1, steps do
      io.write(("%.6f %.6f\n"):format(time(step)))
      if i == 1 then fresh, faults = memory().fresh, page_faults() end
    end
    flop, fresh, faults = flops() - flop, memory().fresh - fresh, page_faults() - faults
    io.write(("done %.9g %d %d %d\n"):format(flop / 1e9, fresh, faults, peak_memory())):flush()
  end
end

local function report(step)
  for _ = 1, warm do step() end
  local took = {}
  for i = 1, o.steps do took[i] = time(step) end
  table.sort(took)
  print(("%.3f ms a step, at least %.3f, with %d threads"):format(took[(#took + 1) // 2], took[1], threads()))
end

function bench.loop(step, networks, inputs)
  if o.save ~= "" then save(networks, inputs) end
  if o.serve then return serve(step) end
  if o.save == "" and o.net == "" then return report(step) end
  for _ = 1, o.steps do
    local losses = {step()}
    for i, loss in ipairs(losses) do losses[i] = ("%.9g"):format(loss) end
    print(table.concat(losses, " "))
  end
  if o.net ~= "" then nn.Sequential(networks):save(o.net) end
end

function bench.train(t, networks, inputs)
  bench.loop(function() return t:step().loss end, networks, inputs)
end

local function nothing() end

local function showing(t)
  local w = window.open {title = "showing"}
  if w.headless then error("--window needs a display", 0) end
  w:watch(t)
  return function() w:close() end
end

local function at_rest()
  local w = window.open {title = "at rest"}
  w:heatmap(tensor.rand(20, 20))
  return function() w:close() end
end

-- The median, and between which values it lies in 19 of 20 cases.
local function median(values)
  table.sort(values)
  local n, reach = #values, math.sqrt(#values)
  return values[(n + 1) // 2], values[math.max(1, math.floor(n / 2 - reach))], values[math.min(n, math.ceil(n / 2 + reach))]
end

-- In each turn every kind takes --steps steps, in any order, since neighbours slow a machine for minutes: what a window costs is
-- the median of what it cost within turns.
local function window_costs(t)
  local kinds = {{"without a window", function() return nothing end}, {"one that shows the training", showing}, {"one at rest", at_rest}}
  local took, more, order = {{}, {}, {}}, {{}, {}, {}}, {1, 2, 3}
  for turn = 1, o.turns do
    for k = #kinds, 2, -1 do
      local other = math.random(k)
      order[k], order[other] = order[other], order[k]
    end
    for _, i in ipairs(order) do
      local close = kinds[i][2](t)
      t:run {steps = warm}
      local began = clock()
      t:run {steps = o.steps}
      took[i][turn] = 1000 * (clock() - began) / o.steps
      close()
    end
    for i = 1, #kinds do more[i][turn] = 100 * (took[i][turn] / took[1][turn] - 1) end
  end
  for i, kind in ipairs(kinds) do
    print(("%-28s %.2f ms a step, %+.1f %% (%+.1f to %+.1f)"):format(kind[1], median(took[i]), median(more[i])))
  end
end

-- Two programs that are to be compared take steps of a tenth: a GAN enlarges the difference of their rounding so quickly that
-- after five whole steps even PyTorch's two layouts differ by 1e-3.
function bench.gan(t, networks, inputs)
  if o.window then return window_costs(t) end
  if o.save ~= "" then t.optim_g.lr, t.optim_d.lr = t.optim_g.lr / 10, t.optim_d.lr / 10 end
  bench.loop(function()
    local report = t:step()
    return report.loss_d, report.loss_g
  end, networks, inputs)
end

return bench
