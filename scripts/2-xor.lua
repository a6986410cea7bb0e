-- 2-xor.lua  *  The smallest network that needs a hidden layer, and its answer all over the plane.

local o = args {
  steps = {1000, "updates of the weights"},
  lr = {0.05, "learning rate"},
  out = {"out", "folder for pictures when there is no window"},
}

x = tensor {{0, 0}, {0, 1}, {1, 0}, {1, 1}}
y = tensor {{0}, {1}, {1}, {0}}

net = nn.Sequential {nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)}
opt = optim.Adam(net:parameters(), {lr = o.lr})
loss_of = nn.BCEWithLogitsLoss()
w = window.open {title = "XOR", out = o.out}

-- The probability of 1 for 64 x 64 points of the square from -0.5 to 1.5.
side = tensor.linspace(-0.5, 1.5, 64)
plane = tensor.stack({side:reshape(1, 64):expand(64, 64), side:reshape(64, 1):expand(64, 64)}, 3):reshape(-1, 2)
local function answer() return net(plane):detach():sigmoid():reshape(64, 64) end

for step = 1, o.steps do
  opt:zero_grad()
  loss = loss_of(net(x), y)
  loss:backward()
  opt:step()
  w:plot("Loss", {loss = loss:item()})
  if step % 20 == 0 then w:heatmap(answer(), {name = "Probability of 1"}) end
  if step % math.max(o.steps // 5, 1) == 0 then print(("step %4d   loss %.5f"):format(step, loss:item())) end
end

print("inputs and the probability of 1:")
print(tensor.cat({x, net(x):detach():sigmoid()}, 2))
