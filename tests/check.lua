-- What the Lua tests are written with: `local check = dofile("tests/check.lua")`, at the end `check.done()`.
local check = {passed = 0, failed = 0}

local function where()
  for level = 3, 8 do
    local info = debug.getinfo(level, "Sl")
    if info and info.short_src and not info.short_src:find("check.lua", 1, true) then
      return info.short_src .. ":" .. info.currentline
    end
  end
  return "?"
end

function check.that(ok, what)
  if ok then
    check.passed = check.passed + 1
  else
    check.failed = check.failed + 1
    print(("FAILED %s: %s"):format(where(), what or "expected true"))
  end
  return ok
end

function check.equal(got, want, what)
  return check.that(got == want, ("%s: got %s, want %s"):format(what or "equal", tostring(got), tostring(want)))
end

function check.near(got, want, tolerance, what)
  local ok = math.abs(got - want) <= (tolerance or 1e-6)
  return check.that(ok, ("%s: got %.9g, want %.9g"):format(what or "near", got, want))
end

-- f must fail, with `text` (plain, not a pattern) in the message.
function check.error(f, text, what)
  local ok, message = pcall(f)
  message = tostring(message)
  if ok then return check.that(false, (what or "error") .. ": no error, want '" .. text .. "'") end
  return check.that(message:find(text, 1, true) ~= nil, ("%s: got error '%s', want '%s'"):format(what or "error", message, text))
end

function check.map(list, f)
  local out = {}
  for i, value in ipairs(list) do out[i] = f(value) end
  return out
end

-- Runs a part of a test; an error in it is one failure, not the end.
function check.run(name, f)
  local ok, message = xpcall(f, debug.traceback)
  if not ok then check.that(false, name .. ": " .. tostring(message)) end
end

function check.done()
  print(("%d passed, %d failed"):format(check.passed, check.failed))
  if check.failed > 0 then os.exit(false) end
end

return check
