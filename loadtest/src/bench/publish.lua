-- What wrk sends. Arguments: templates file, events a request, id version (v4, v7), seed, share of duplicates, how
-- many recent events a duplicate may repeat. Bodies are made by joining texts; LuaJIT makes an id in well under a
-- microsecond, so that the generator stays light (the benchmark says how much of the processor it took).

local next_thread = 0
function setup(thread)
  thread:set("thread_number", next_thread)
  next_thread = next_thread + 1
end

local heads, between, tails, recent = {}, {}, {}, {}
local events_per_request, duplicate_ratio, recent_max, time_ordered
local made = 0
local random, floor, format = math.random, math.floor, string.format

function init(args)
  for line in io.lines(args[1]) do
    local head, middle, tail = line:match("^(.-)\t(.-)\t(.*)$")
    heads[#heads + 1], between[#between + 1], tails[#tails + 1] = head, middle, tail
  end
  events_per_request = tonumber(args[2])
  time_ordered = args[3] == "v7"
  math.randomseed(tonumber(args[4]) + thread_number)
  duplicate_ratio, recent_max = tonumber(args[5]), tonumber(args[6])
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

local function event_id()
  local rest = format("%04x-%04x%08x", 0x8000 + random(0, 0x3fff), random(0, 0xffff), random(0, 0xffffffff))
  if time_ordered then
    local now_ms = os.time() * 1000 + made % 1000
    local high = floor(now_ms / 0x10000)
    return format("%08x-%04x-7%03x-%s", high, now_ms - high * 0x10000, random(0, 0xfff), rest)
  end
  return format("%08x-%04x-4%03x-%s", random(0, 0xffffffff), random(0, 0xffff), random(0, 0xfff), rest)
end

local second, second_text = 0, ""

-- Now, to the second; the digits after it only tell events apart.
local function timestamp()
  local now = os.time()
  if now ~= second then
    second, second_text = now, os.date("!%Y-%m-%dT%H:%M:%S", now)
  end
  return format("%s.%06dZ", second_text, made % 1000000)
end

local function event()
  if #recent > 0 and random() < duplicate_ratio then
    return recent[random(1, #recent)]
  end
  local template = made % #heads + 1
  local text = heads[template] .. event_id() .. between[template] .. timestamp() .. tails[template]
  recent[made % recent_max + 1] = text
  made = made + 1
  return text
end

function request()
  if events_per_request == 1 then
    return wrk.format(nil, nil, nil, event())
  end
  local texts = {}
  for i = 1, events_per_request do
    texts[i] = event()
  end
  return wrk.format(nil, nil, nil, "[" .. table.concat(texts, ",") .. "]")
end

-- One line of JSON that the benchmark reads.
function done(summary, latency)
  local errors = summary.errors
  io.write(format(
    '\nRESULT {"requests":%d,"duration_s":%.6f,"failed":%d,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3
  ))
end
