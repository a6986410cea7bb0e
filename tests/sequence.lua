-- Attention and LSTM, whose loops are inside one op, beside the same written out in ops.
local check = dofile("tests/check.lua")

local function near(name, a, b, bound)
  local d = (a - b):detach():abs():max():item() / math.max(1, b:detach():abs():max():item())
  check.that(d <= bound, ("%s: differ by %.2g"):format(name, d))
end

-- Values, gradients, and gradients of a sum over the gradients.
local function same(name, f, g, inputs)
  local a, b = f(table.unpack(inputs)), g(table.unpack(inputs))
  local weights = tensor.randn(table.unpack(a.shape))
  near(name, a, b, 2e-6)
  local da, db = tensor.grad((a * weights):sum(), inputs), tensor.grad((b * weights):sum(), inputs)
  for i in ipairs(inputs) do near(name .. ": gradient " .. i, da[i], db[i], 1e-5) end
  local function second(h)
    local sum = 0
    for i, grad in ipairs(tensor.grad((h(table.unpack(inputs)) * weights):sum(), inputs, {create_graph = true})) do
      near(name .. ": gradient in a graph " .. i, grad, db[i], 1e-5)
      sum = sum + grad:square():sum()
    end
    return tensor.grad(sum, inputs)
  end
  local sa, sb = second(f), second(g)
  for i in ipairs(inputs) do near(name .. ": second gradient " .. i, sa[i], sb[i], 1e-4) end
end

local function leaf(...)
  return (tensor.randn(...) * 0.5):requires_grad()
end

-- ---- attention

local function split(t, heads)
  local N, T, C = table.unpack(t.shape)
  return t:reshape(N, T, heads, C // heads):permute(1, 3, 2, 4)
end

local function attention(q, k, v, causal, heads, mask)
  local N, T, C = table.unpack(q.shape)
  local score = split(q, heads):matmul(split(k, heads):transpose(-1, -2)) / math.sqrt(C // heads)
  if causal then score = score + tensor.arange(1, T, 1):reshape(T, 1):lt(tensor.arange(1, k.shape[2], 1)) * -1e9 end
  if mask then score = score + mask end
  return score:softmax(-1):matmul(split(v, heads)):permute(1, 3, 2, 4):reshape(N, T, v.shape[3])
end

local shapes = { -- N, queries, keys, heads, numbers of a query, of a value
  {2, 64, 64, 4, 8, 8}, {1, 70, 130, 2, 5, 7}, {3, 1, 9, 1, 1, 1}, {2, 67, 33, 3, 16, 40}, {1, 33, 33, 2, 33, 17}, {2, 130, 130, 1, 3, 2},
}
for _, shape in ipairs(shapes) do
  local N, T, S, heads, D, E = table.unpack(shape)
  for _, causal in ipairs {false, true} do
    local name = ("attention %s%s"):format(table.concat(shape, ","), causal and " causal" or "")
    check.run(name, function()
      same(name, function(q, k, v) return q:scaled_dot_product_attention(k, v, {is_causal = causal, heads = heads}) end,
        function(q, k, v) return attention(q, k, v, causal, heads) end,
        {leaf(N, T, heads * D), leaf(N, S, heads * D), leaf(N, S, heads * E)})
    end)
  end
end

local hidden = -math.huge
local function some(...) -- one of four is hidden, the first never; the others add something
  local at = tensor.rand(...):lt(0.25) * tensor.arange(1, (select(select("#", ...), ...))):gt(1)
  return tensor.where(at, tensor.full(-1e9, ...), tensor.randn(...))
end

for _, case in ipairs { -- N, queries, keys, heads, causal, the mask's sides
  {2, 9, 11, 1, false, {9, 11}}, {2, 9, 11, 1, true, {2, 9, 11}}, {2, 9, 11, 1, false, {2, 1, 11}}, {2, 9, 11, 1, false, {2, 1, 1, 11}},
  {3, 70, 66, 2, true, {3, 2, 70, 66}}, {3, 70, 66, 2, false, {3, 1, 1, 66}}, {3, 5, 6, 2, false, {2, 1, 6}}, {3, 5, 6, 2, true, {6}},
} do
  local N, T, S, heads, causal, sides = table.unpack(case)
  local name = ("attention mask %s of %d heads%s"):format(table.concat(sides, ","), heads, causal and ", causal" or "")
  check.run(name, function()
    local mask = some(table.unpack(sides))
    local whole = #sides == 3 and heads == 1 and mask:reshape(sides[1], 1, sides[2], sides[3]) or mask
    same(name, function(q, k, v) return q:scaled_dot_product_attention(k, v, mask, {is_causal = causal, heads = heads}) end,
      function(q, k, v) return attention(q, k, v, causal, heads, whole) end,
      {leaf(N, T, heads * 5), leaf(N, S, heads * 5), leaf(N, S, heads * 3)})
    local infinite = tensor.where(mask:lt(-1e8), tensor.full(hidden, table.unpack(sides)), mask)
    same(name .. " infinite", function(q, k, v) return q:scaled_dot_product_attention(k, v, infinite, {is_causal = causal, heads = heads}) end,
      function(q, k, v) return q:scaled_dot_product_attention(k, v, mask, {is_causal = causal, heads = heads}) end,
      {leaf(N, T, heads * 5), leaf(N, S, heads * 5), leaf(N, S, heads * 3)})
  end)
end

check.run("a query that sees no key gets zeros and gives no gradient", function()
  local q, k, v = leaf(1, 2, 3), leaf(1, 4, 3), leaf(1, 4, 3)
  local mask = tensor.stack({tensor.full(hidden, 4), tensor.zeros(4)})
  for _, create in ipairs {false, true} do
    local y = q:scaled_dot_product_attention(k, v, mask)
    check.equal(y:narrow(2, 1, 1):abs():max():item(), 0)
    local d = tensor.grad(y:sum(), {q, k, v}, {create_graph = create})
    check.equal(d[1]:narrow(2, 1, 1):abs():max():item(), 0)
    near("gradient of values", d[3], tensor.grad(q:narrow(2, 2, 1):scaled_dot_product_attention(k, v):sum(), {v})[1], 1e-6)
  end
end)

check.run("attention of one tensor that holds all three", function()
  same("packed", function(x) return x:scaled_dot_product_attention({is_causal = true, heads = 2}) end,
    function(x) return attention(x:narrow(3, 1, 6), x:narrow(3, 7, 6), x:narrow(3, 13, 6), true, 2) end, {leaf(2, 9, 18)})
end)

check.run("MultiheadAttention", function()
  local net, x = nn.MultiheadAttention(8, 2, {dropout = 0.5, causal = true}), tensor.randn(2, 5, 8)
  local dropped = net(x)
  net:eval()
  near("three times the same", net(x, x, x), net(x), 2e-6)
  local kv, pad = tensor.randn(2, 4, 8), tensor {{0, 0, 1, 1}, {0, 1, 0, 0}}
  for _, heads in ipairs {1, 2} do
    local net = nn.MultiheadAttention(8, heads)
    local short = kv:narrow(2, 1, 2):narrow(1, 1, 1)
    near("keys left out", net(x, kv, kv, pad):narrow(1, 1, 1), net(x:narrow(1, 1, 1), short, short), 2e-6)
    local forward = tensor.arange(1, 5):gt(tensor.arange(1, 5):reshape(5, 1)) * -1e9
    local causal = nn.MultiheadAttention(8, heads, {causal = true})
    for i, p in ipairs(net:parameters()) do tensor.no_grad(function() causal:parameters()[i]:copy_(p) end) end
    near("a mask", net(x, x, x, tensor.zeros(2, 5), forward), causal(x), 2e-6)
    near("a mask of each head", net(x, x, x, tensor.zeros(2, 5), forward:expand(2 * heads, 5, 5)), causal(x), 2e-6)
  end
  local masked = nn.MultiheadAttention(8, 2, {dropout = 1e-7})
  local trained = masked(x, kv, kv, pad)
  masked:eval()
  near("with dropout", trained, masked(x, kv, kv, pad), 1e-5)
  check.error(function() net(x, kv, kv, tensor.zeros(2, 5)) end, "key_padding_mask must be (N,S), here (2,4), got (2,5)")
  check.error(function() net(x, kv, kv, pad, tensor.zeros(4, 5)) end, "attn_mask must be (T,S), here (5,4)")
  check.that((dropped - net(x)):abs():max():item() > 1e-3, "dropout changes what training sees")
end)

-- ---- LSTM

local function lstm(x, wi, wh, bi, bh, h, c)
  local H, hs, cs = wh.shape[2], {}, {}
  for t = 1, x.shape[2] do
    local gates = x:select(2, t):linear(wi, bi) + h:linear(wh, bh)
    local i, f = gates:narrow(2, 1, H):sigmoid(), gates:narrow(2, H + 1, H):sigmoid()
    local g, o = gates:narrow(2, 2 * H + 1, H):tanh(), gates:narrow(2, 3 * H + 1, H):sigmoid()
    c = f * c + i * g
    h = o * c:tanh()
    hs[t], cs[t] = h, c
  end
  return tensor.stack({tensor.stack(hs, 2), tensor.stack(cs, 2)}, 1)
end

for _, shape in ipairs {{1, 1, 1, 1}, {2, 5, 3, 4}, {17, 3, 2, 9}, {40, 4, 7, 33}} do -- N, T, in, hidden
  local N, T, I, H = table.unpack(shape)
  local name = "lstm " .. table.concat(shape, ",")
  check.run(name, function()
    same(name, function(x, wi, wh, bi, bh, h, c) return x:linear(wi, bi + bh):lstm(wh, nil, h, c) end, lstm,
      {leaf(N, T, I), leaf(4 * H, I), leaf(4 * H, H), leaf(4 * H), leaf(4 * H), leaf(N, H), leaf(N, H)})
  end)
end

check.run("nn.LSTM goes on from its states", function()
  local net, x = nn.LSTM(3, 4, {num_layers = 2}), tensor.randn(2, 6, 3)
  local all, h, c = net(x)
  local _, h1, c1 = net(x:narrow(2, 1, 4))
  local rest, h2, c2 = net(x:narrow(2, 5, 2), h1, c1)
  near("output", rest, all:narrow(2, 5, 2), 1e-6)
  near("h", h2, h, 1e-6)
  near("c", c2, c, 1e-6)
  check.equal(select("#", nn.Sequential {net}(x)), 1)
end)

check.run("nn.LSTM goes both ways", function()
  local net, x = nn.LSTM(3, 4, {bidirectional = true}), tensor.randn(2, 6, 3)
  local p, h0, c0 = net:parameters(), tensor.randn(2, 2, 4), tensor.randn(2, 2, 4)
  local y, h, c = net(x, h0, c0)
  local forth = lstm(x, p[1], p[2], p[3], p[4], h0[1], c0[1])
  local back = lstm(x:flip(2), p[5], p[6], p[7], p[8], h0[2], c0[2])
  near("output", y, tensor.cat({forth[1], back[1]:flip(2)}, 3), 1e-6)
  near("h", h, tensor.stack({forth[1]:select(2, 6), back[1]:select(2, 6)}), 1e-6)
  near("c", c, tensor.stack({forth[2]:select(2, 6), back[2]:select(2, 6)}), 1e-6)
  local names = {}
  for name in pairs(net:state_dict()) do names[name] = true end
  check.that(names.weight_ih_l0_reverse and names.bias_hh_l0_reverse, "parameters of the way back")
  check.error(function() net(x, tensor.ones(1, 2, 4), tensor.ones(1, 2, 4)) end, "(num_layers*2,N,hidden_size)")
end)

check.run("an Embedding before an LSTM is looked up in what the LSTM makes of it", function()
  for name, options in pairs {plain = {}, ["no bias"] = {bias = false}, ["two layers"] = {num_layers = 2},
                         ["both ways"] = {num_layers = 2, bidirectional = true}} do
    local embedding, lstm = nn.Embedding(7, 3), nn.LSTM(3, 4, options)
    local joined, x = nn.Sequential {embedding, lstm}, tensor.randint(1, 7, 5, 6)
    same(name, function() return joined(x) end, function() return (lstm(embedding(x))) end, joined:parameters())
  end
  local net = nn.Sequential {nn.Embedding(7, 3), nn.LSTM(3, 4)}
  check.error(function() net(tensor.full(8, 5, 6)) end, "index 8")
  check.error(function() nn.Sequential {nn.Embedding(7, 2), nn.LSTM(3, 4)}(tensor.ones(5, 6)) end, "(N,T,3)")
end)

-- ---- the same bits on any number of threads

check.run("bits", function()
  local had, first = threads(), nil
  for n = 1, 3 do
    threads(n)
    tensor.seed(3)
    local x = leaf(20, 70, 24)
    local y = x:scaled_dot_product_attention({heads = 2, is_causal = true}):linear(leaf(20, 8)):lstm(leaf(20, 5))
    local sum = tensor.grad((y * tensor.randn(2, 20, 70, 5)):sum(), {x})[1]
    first = first or {y:detach(), sum}
    check.that(y:detach():eq(first[1]):min():item() == 1, n .. " threads: values")
    check.that(sum:eq(first[2]):min():item() == 1, n .. " threads: gradient")
  end
  threads(had)
end)

-- ---- what is refused

check.error(function() tensor.randn(2, 3, 4):scaled_dot_product_attention({heads = 2}) end, "multiple of 3 * heads")
check.error(function() tensor.randn(2, 3, 4):scaled_dot_product_attention(tensor.randn(2, 3, 4)) end, "only key")
check.error(function() tensor.randn(2, 3, 4):scaled_dot_product_attention(tensor.randn(2, 5, 4), tensor.randn(2, 5, 4), tensor.ones(5, 3)) end,
  "attn_mask must end in the 5 keys and broadcast to the scores (2,3,5), got (5,3)")
check.error(function() tensor.randn(2, 8):lstm(tensor.randn(8, 2)) end, "inputs must be (N,T,4*hidden) of at least one step, got (2,8)")
check.error(function() tensor.randn(2, 3, 3):lstm(tensor.randn(8, 2)) end, "inputs must be (2,3,8)")
check.error(function() tensor.randn(5, 8):lstm(tensor.randn(8, 2), tensor.ones(3)) end, "indices must be (N,T)")
check.error(function() tensor.randn(5, 8):lstm(tensor.randn(8, 2), tensor.full(6, 2, 3)) end, "index 6")
check.error(function() nn.LSTM(2, 3)(tensor.randn(1, 2, 2), tensor.randn(1, 1, 3)) end, "takes x, or x, h and c")
check.error(function() nn.MultiheadAttention(8, 3) end, "multiple of num_heads")
check.done()
