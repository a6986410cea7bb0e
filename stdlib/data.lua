-- Data sets by name, over the readers in C.

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The first of the files that is there, plain or gzipped.
local function find(folders, names)
  for _, folder in ipairs(folders) do
    for _, name in ipairs(names) do
      for _, ending in ipairs {".gz", ""} do
        local path = folder .. "/" .. name .. ending
        if exists(path) then return path end
      end
    end
  end
end

-- The four files of a set in MNIST's format, in the first folder that has them.
local function idx_set(folders, train)
  local part = train and "train" or "t10k"
  local images = find(folders, {part .. "-images-idx3-ubyte", part .. "-images.idx3-ubyte"})
  local labels = find(folders, {part .. "-labels-idx1-ubyte", part .. "-labels.idx1-ubyte"})
  return images and labels and data.idx(images, labels)
end

local clothes = {
  "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
}

local function fashion(options)
  local train = options.train
  local folders = options.dir and {options.dir}
    or {"/usr/share/datasets/fashion-mnist", "/usr/local/share/datasets/fashion-mnist", "data/fashion-mnist", "fashion-mnist"}
  local set = idx_set(folders, train)
  if not set then
    error("data.fashion: no files of Fashion-MNIST in " .. table.concat(folders, ", ")
      .. "; on Debian: apt install dataset-fashion-mnist. data.glyphs() needs no files", 3)
  end
  return set:label("Fashion-MNIST" .. (train and "" or " test"), clothes)
end

local function mnist(options)
  if not options.dir then error("data.mnist: dir is missing: the folder with MNIST's files, as in data.mnist{dir=\"mnist\"}", 3) end
  local train = options.train
  local set = idx_set({options.dir}, train)
  if not set then
    error(("data.mnist: the folder '%s' has no %s-images-idx3-ubyte and labels, plain or .gz"):format(options.dir, train and "train" or "t10k"), 3)
  end
  return set:label("MNIST" .. (train and "" or " test"), {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"})
end

local function is_picture(name)
  local ending = name:lower():match("%.(%w+)$")
  return ending == "png" or ending == "jpg" or ending == "jpeg"
end

-- Pictures in a folder; when it has folders with pictures, each is a class.
local function folder(options)
  local path = options.path
  local files, labels, classes = {}, {}, {}
  local names = data.list(path)
  for _, name in ipairs(names) do
    if name:sub(-1) == "/" then
      local inside = data.list(path .. "/" .. name)
      local class
      for _, file in ipairs(inside) do
        if is_picture(file) then
          if not class then
            classes[#classes + 1] = name:sub(1, -2)
            class = #classes
          end
          files[#files + 1], labels[#labels + 1] = path .. "/" .. name .. file, class
        end
      end
    end
  end
  if #classes == 0 then
    labels = nil
    for _, name in ipairs(names) do
      if is_picture(name) then files[#files + 1] = path .. "/" .. name end
    end
  end
  if #files == 0 then
    error(("data.folder: the folder '%s' has no PNG or JPEG files, nor folders with such (%d other entries)"):format(path, #names), 3)
  end
  local set = data.images(files, {size = options.size, labels = labels})
  return set:label(path, labels and classes)
end

-- Points of `modes` normal clusters on a circle around the origin.
local function ring(options)
  local modes, n = options.modes, options.n
  if modes < 1 then error("data.ring: modes must be at least 1, got " .. modes, 3) end
  local label = tensor.randint(1, modes, n)
  local angle = label * (2 * math.pi / modes)
  local centres = tensor.stack({angle:cos(), angle:sin()}, 2) * options.radius
  return data.tensors(centres + tensor.randn(n, 2) * options.std, label):label("ring of " .. modes)
end

-- What scripts' --data names. Without its files fashion falls back to what needs none, and says so.
local function named(options)
  local name, train = options.name, options.train
  if name == "fashion" then
    local ok, set = pcall(data.fashion, {train = train})
    if ok then return set end
    print("no Fashion-MNIST on this machine (on Debian: apt install dataset-fashion-mnist); drawn digits take its place")
    name = "glyphs"
  end
  if name == "glyphs" then
    return data.glyphs(train and 20000 or 2000, train and 1 or 2)
  end
  return data.mnist {dir = name, train = train}
end

define {
  {"data.fashion", "dir:text?, train:boolean=true", "Fashion-MNIST: 60,000 pictures of clothes, 28x28, or the 10,000 to test with.",
    "data.fashion{train = false}", fashion},
  {"data.mnist", "dir:text?, train:boolean=true", "MNIST's digits from a folder with its files, plain or gzipped.",
    "data.mnist{dir = \"mnist\"}", mnist},
  {"data.folder", "path:text, size:integer=64", "The pictures of a folder, size x size in colour; folders in it are classes.",
    "data.folder(\"photos\", {size = 32})", folder},
  {"data.ring", "modes:integer=8, n:integer=10000, radius:number=1, std:number=0.05", "Points of normal clusters on a circle.",
    "data.ring{modes = 8, n = 100}", ring},
  {"data.named", "name:text, train:boolean=true", "A data set by name: fashion, glyphs, or a folder with MNIST's files.",
    "data.named(\"glyphs\")", named},
}
