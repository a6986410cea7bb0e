-- Pictures, over the readers and writers in C.

-- (N,H,W,C) of -1..1 as one picture (H,W,C) of 0..1, with a gap between.
local function grid(options)
  local x = options.x
  if x:dim() == 3 then x = x:reshape(x.shape[1], x.shape[2], x.shape[3], 1) end
  if x:dim() ~= 4 then
    error("image.grid: x must be (N,H,W) or (N,H,W,C), got (" .. table.concat(x.shape, ",") .. ")", 3)
  end
  local n, height, width, channels = table.unpack(x.shape)
  local columns = options.columns or math.ceil(math.sqrt(n))
  local gap, low, high = options.gap, options.low, options.high
  local rows = math.ceil(n / columns)
  x = ((x:detach() - low) / (high - low)):clamp(0, 1)
  if rows * columns > n then x = tensor.cat({x, tensor.zeros(rows * columns - n, height, width, channels)}, 1) end
  x = x:pad({0, 0, gap, 0, gap, 0})
  x = x:reshape(rows, columns, height + gap, width + gap, channels):permute(1, 3, 2, 4, 5)
  return x:reshape(rows * (height + gap), columns * (width + gap), channels):pad({0, gap, 0, gap})
end

define {
  {"image.grid", "x, columns:integer?, gap:integer=2, low:number=-1, high:number=1",
    "Pictures (N,H,W,C) with values from low to high as one picture (H,W,C) of 0..1, for image.save.",
    "image.grid(tensor.rand(6, 8, 8, 1))", grid},
}
