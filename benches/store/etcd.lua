-- Puts or gets of 10,000 keys through etcd's HTTP gateway, which wants keys and values in base64.
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  local out = {}
  for place = 1, #text, 3 do
    local a, b, c = text:byte(place, place + 2)
    local number = a * 65536 + (b or 0) * 256 + (c or 0)
    for digit = 0, 3 do
      if (digit == 2 and not b) or (digit == 3 and not c) then
        out[#out + 1] = "="
      else
        local value = math.floor(number / 64 ^ (3 - digit)) % 64
        out[#out + 1] = alphabet:sub(value + 1, value + 1)
      end
    end
  end
  return table.concat(out)
end

local value = base64(string.rep("x", 100))
local action = os.getenv("ACTION")
local requests = {}

function init()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for key = 0, 9999 do
    local name = base64(string.format("key-%06d", key))
    if action == "put" then
      requests[key] = wrk.format(nil, "/v3/kv/put", nil, '{"key":"' .. name .. '","value":"' .. value .. '"}')
    else
      requests[key] = wrk.format(nil, "/v3/kv/range", nil, '{"key":"' .. name .. '"}')
    end
  end
end

function request()
  return requests[math.random(0, 9999)]
end
