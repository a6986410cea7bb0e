-- Twenty steps of the main job's networks from the weights, noise and dropout masks that tests/record.py gave PyTorch.
local check = dofile("tests/check.lua")
local recorded = dofile("tests/recorded/dcgan.lua")

local function same(input, output, stride)
  return nn.ConvTranspose2d(input, output, 5, {stride = stride, padding = 2, output_padding = stride - 1, bias = false})
end

local G = nn.Sequential {
  nn.Linear(100, 7 * 7 * 256, {bias = false}), nn.BatchNorm(7 * 7 * 256), nn.LeakyReLU(0.3), nn.Reshape(7, 7, 256),
  same(256, 128, 1), nn.BatchNorm(128), nn.LeakyReLU(0.3),
  same(128, 64, 2), nn.BatchNorm(64), nn.LeakyReLU(0.3),
  same(64, 1, 2), nn.Tanh(),
}
local D = nn.Sequential {
  nn.Conv2d(1, 64, 5, {stride = 2, padding = 2}), nn.LeakyReLU(0.3), nn.Dropout(0.3),
  nn.Conv2d(64, 128, 5, {stride = 2, padding = 2}), nn.LeakyReLU(0.3), nn.Dropout(0.3),
  nn.Flatten(), nn.Linear(7 * 7 * 128, 1),
}

local number = 0
for _, net in ipairs {G, D} do
  for _, p in ipairs(net:parameters()) do
    tensor.no_grad(function()
      if p:dim() > 1 then
        number = number + 1
        tensor.seed(1000 + number)
        p:copy_(tensor.randn(p.shape) * 0.02)
      elseif p[1]:item() ~= 1 then
        p:zero_()
      end
    end)
  end
end

local optim_g = optim.Adam(G:parameters(), {lr = 2e-4, betas = {0.5, 0.999}})
local optim_d = optim.Adam(D:parameters(), {lr = 2e-4, betas = {0.5, 0.999}})
local bce = nn.BCEWithLogitsLoss()

local function score(x, label)
  local logits = D(x)
  return bce(logits, tensor.full(label, logits.shape))
end

local function step(number, x)
  tensor.seed(500 + number)
  local fake = tensor.no_grad(function() return G(tensor.randn(64, 100)) end)
  optim_d:zero_grad()
  local loss_d = score(x, 1) + score(fake, 0)
  loss_d:backward()
  optim_d:step()
  optim_g:zero_grad()
  local loss_g = score(G(tensor.randn(64, 100)), 1)
  loss_g:backward()
  optim_g:step()
  return loss_d:item(), loss_g:item()
end

local number, worst = 0, 0
for x in data.loader(data.fashion(), {batch = 64, shuffle = false}) do
  local loss_d, loss_g = step(number, x)
  number = number + 1
  worst = math.max(worst, math.abs(loss_d - recorded.loss_d[number]), math.abs(loss_g - recorded.loss_g[number]))
  if number == #recorded.loss_d then break end
end
check.that(number == 20, "twenty steps ran")
check.that(worst <= 1e-3, ("losses differ from PyTorch's by up to %.2g"):format(worst))
print(("largest difference from PyTorch's losses: %.2g"):format(worst))
check.done()
