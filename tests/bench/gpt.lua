-- A small GPT over characters: 4 layers of 4 heads, width 128, context 64, 65 characters.
local bench = dofile("tests/bench/bench.lua")
local N, T, width, heads, characters = bench.batch(12), 64, 128, 4, 65

local Block = nn.module("Block", {
  init = function(self)
    self.norm1 = nn.LayerNorm(width)
    self.attention = nn.MultiheadAttention(width, heads, {causal = true})
    self.norm2 = nn.LayerNorm(width)
    self.mlp = nn.Sequential {nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)}
  end,
  forward = function(self, x)
    x = x + self.attention(self.norm1(x))
    return x + self.mlp(self.norm2(x))
  end,
})

local GPT = nn.module("GPT", {
  init = function(self)
    self.token = nn.Embedding(characters, width)
    self.position = nn.Embedding(T, width)
    self.blocks = nn.Sequential {Block(), Block(), Block(), Block()}
    self.norm = nn.LayerNorm(width)
    self.head = nn.Linear(width, characters, {bias = false})
  end,
  forward = function(self, x)
    local y = self.token(x) + self.position(tensor.arange(1, T, 1))
    return self.head(self.norm(self.blocks(y)))
  end,
})

local x, target = tensor.randint(1, characters, N, T), tensor.randint(1, characters, N, T)
local net = GPT()
local opt = optim.AdamW(net:parameters(), {lr = 3e-4})
local cross_entropy = nn.CrossEntropyLoss()

local function step()
  opt:zero_grad()
  local loss = cross_entropy(net(x):reshape(N * T, characters), target:reshape(N * T))
  loss:backward()
  opt:step()
  return loss:item()
end

bench.loop(step, {net}, {x, target})
