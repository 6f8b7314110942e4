-- Puts or gets of 10,000 keys through a replica's HTTP interface.
local value = string.rep("x", 100)
local action = os.getenv("ACTION")
local requests = {}

function init()
  for key = 0, 9999 do
    local path = string.format("/v1/keys/key-%06d", key)
    if action == "put" then
      requests[key] = wrk.format("PUT", path, nil, value)
    else
      requests[key] = wrk.format("GET", path)
    end
  end
end

function request()
  return requests[math.random(0, 9999)]
end

-- Anything but an answer of 2xx is an error that the figure must not hide.
local refused = 0
function response(status)
  if status < 200 or status > 299 then
    refused = refused + 1
  end
end
