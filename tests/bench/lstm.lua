-- A language model over characters: embedding, LSTM, linear.
local bench = dofile("tests/bench/bench.lua")
local N, T, width, characters = bench.batch(32), 64, 128, 65

local function weight(...)
  return ((tensor.rand(...) * 2 - 1) / math.sqrt(width)):requires_grad()
end

local LSTM = nn.module("LSTM", {
  init = function(self)
    self.weight_ih = weight(4 * width, width)
    self.weight_hh = weight(4 * width, width)
    self.bias_ih = weight(4 * width)
    self.bias_hh = weight(4 * width)
  end,
  forward = function(self, x)
    local inputs, h, c, out = x:linear(self.weight_ih, self.bias_ih), tensor.zeros(N, width), tensor.zeros(N, width), {}
    for t = 1, T do
      local gates = inputs:select(2, t) + h:linear(self.weight_hh, self.bias_hh)
      local i, f = gates:narrow(2, 1, width):sigmoid(), gates:narrow(2, width + 1, width):sigmoid()
      local g, o = gates:narrow(2, 2 * width + 1, width):tanh(), gates:narrow(2, 3 * width + 1, width):sigmoid()
      c = f * c + i * g
      h = o * c:tanh()
      out[t] = h
    end
    return tensor.stack(out, 2)
  end,
})

local x, target = tensor.randint(1, characters, N, T), tensor.randint(1, characters, N, T)
local net = nn.Sequential {nn.Embedding(characters, width), LSTM(), nn.Linear(width, characters)}
local opt = optim.Adam(net:parameters(), {lr = 1e-3})
local cross_entropy = nn.CrossEntropyLoss()

local function step()
  opt:zero_grad()
  local loss = cross_entropy(net(x):reshape(N * T, characters), target:reshape(N * T))
  loss:backward()
  opt:step()
  return loss:item()
end

bench.loop(step, {net}, {x, target})
