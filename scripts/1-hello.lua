-- 1-hello.lua  *  A tensor, a gradient: what everything else is made of.

args {}

a = tensor {{1, 2}, {3, 4}}
print("a tensor, and its product with itself:")
print(a)
print(a:matmul(a))

-- How does the mean of the squares change when a changes? By a / 2.
a:requires_grad()
loss = a:square():mean()
loss:backward()
print("the mean of its squares is " .. loss:item() .. "; its gradient:")
print(a.grad)

-- Follow the gradient downhill and the squares vanish.
opt = optim.SGD({a}, {lr = 0.5})
for step = 1, 10 do
  opt:zero_grad()
  loss = a:square():mean()
  loss:backward()
  opt:step()
end
print(("after ten steps downhill the loss is %.4f"):format(loss:item()))
