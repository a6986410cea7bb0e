-- A language model over characters: embedding, LSTM, linear.
local bench = dofile("tests/bench/bench.lua")
local N, T, width, characters = bench.batch(32), 64, 128, 65

local x, target = tensor.randint(1, characters, N, T), tensor.randint(1, characters, N, T)
local net = nn.Sequential {nn.Embedding(characters, width), nn.LSTM(width, width), nn.Linear(width, characters)}
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
