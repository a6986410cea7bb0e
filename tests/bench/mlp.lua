-- A perceptron with a hidden layer of sigmoids on pictures of 28x28, two classes.
local bench = dofile("tests/bench/bench.lua")
local N = bench.batch(100)

local x, labels = tensor.rand(N, 784), tensor.randint(1, 2, N)
local net = nn.Sequential {nn.Linear(784, 500), nn.Sigmoid(), nn.Linear(500, 2)}
local opt = optim.SGD(net:parameters(), {lr = 0.01})
local cross_entropy = nn.CrossEntropyLoss()

local function step()
  opt:zero_grad()
  local loss = cross_entropy(net(x), labels)
  loss:backward()
  opt:step()
  return loss:item()
end

bench.loop(step, {net}, {x, labels})
