-- 2-xor.lua  *  The smallest network that needs a hidden layer.

local o = args {
  steps = {1000, "updates of the weights"},
  lr = {0.05, "learning rate"},
}

x = tensor {{0, 0}, {0, 1}, {1, 0}, {1, 1}}
y = tensor {{0}, {1}, {1}, {0}}

net = nn.Sequential {nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)}
opt = optim.Adam(net:parameters(), {lr = o.lr})
loss_of = nn.BCEWithLogitsLoss()

for step = 1, o.steps do
  opt:zero_grad()
  loss = loss_of(net(x), y)
  loss:backward()
  opt:step()
  if step % math.max(o.steps // 5, 1) == 0 then print(("step %4d   loss %.5f"):format(step, loss:item())) end
end

print("inputs and the probability of 1:")
print(tensor.cat({x, net(x):detach():sigmoid()}, 2))
