-- What is counted, in three forms. Times are microseconds of the limit's own clock, see clock().
--   sliding: a list of "time total count", oldest first: count requests, the last of them at time; total goes on from entry to entry, so that
--            what two entries and those between them count is a difference.
--   fixed:   "start count".
--   gcra:    "level soft time": levels of two buckets in grains, that drain at limit and at soft in each window; full at burst.
-- None depends on limit, soft or burst, which apply as they are now.
local GRAIN = 1048576         -- grains in a request
local WRAP = 1099511627776    -- totals begin again here; no limit is as large

local function text(x)
  return string.format('%.0f', x)
end

local function rule(d, at)
  d.kind, d.window, d.limit, d.soft = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  d.burst, d.slice, d.n = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
end

local function entry(text)
  local at, total, count = string.match(text, '^(%d+) (%d+) (%d+)$')
  return {at = tonumber(at), total = tonumber(total), count = tonumber(count)}
end

-- load reads a dimension. d.latest is a time that has been, by the limit's clock.
local function load(key, at)
  local d = {key = key, latest = 0, count = 0, level = 0, marks = 0}
  rule(d, at)
  if d.kind == 's' then
    local last = redis.call('LINDEX', key, -1)
    if last then
      d.last = entry(last)
      d.latest = d.last.at
    end
    return d
  end
  local kept = redis.call('GET', key)
  if kept and d.kind == 'f' then
    local start, count = string.match(kept, '^(%d+) (%d+)$')
    d.start, d.count = tonumber(start), tonumber(count)
    d.latest = d.start
  elseif kept then
    local level, marks, time = string.match(kept, '^(%d+) (%d+) (%d+)$')
    d.level, d.marks, d.latest = tonumber(level), tonumber(marks), tonumber(time)
  end
  return d
end

-- clock is the time of the limit: that of Redis, except that it never goes back. A step back of Redis's clock is added to an offset that is kept; were
-- the offset lost, what was counted shows it again. A step forward can't be told from time that passed.
local clock_at = {offset = 0, now = -1}
local function clock(key, dimensions)
  local time = redis.call('TIME')
  local real = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local kept = redis.call('GET', key)
  if kept then
    local o, n = string.match(kept, '^(%d+) (%d+)$')
    clock_at.offset, clock_at.now = tonumber(o), tonumber(n)
  end
  local now = math.max(real + clock_at.offset, clock_at.now)
  for _, d in ipairs(dimensions) do
    now = math.max(now, d.latest)
  end
  clock_at.stepped = now - real > clock_at.offset
  clock_at.offset = now - real
  return now
end

-- keep_clock keeps it for longer than anything that is counted: with all that is, and when Redis's clock has stepped back, so that it goes on from there.
local function keep_clock(key, now, counted)
  if clock_at.stepped or counted and now > clock_at.now then
    redis.call('SET', key, text(clock_at.offset) .. ' ' .. text(now), 'PX', '2851200000')
  end
end

-- settle forgets what counts no longer.
local function settle(d, now)
  if d.kind == 's' then
    while d.last do
      local first = entry(redis.call('LINDEX', d.key, 0))
      if first.at + d.window > now then
        d.first = first
        d.count = (d.last.total - first.total) % WRAP + first.count
        return
      end
      redis.call('LPOP', d.key)
      if first.total == d.last.total and first.at == d.last.at then
        d.last = nil
      end
    end
  elseif d.kind == 'f' then
    if d.start and d.start + d.window <= now then
      d.start, d.count = nil, 0
    end
  else
    -- Whole grains: what is less is lost. Doubles add at most one part in 2^52.
    local elapsed = now - d.latest
    d.before = d.level
    d.level = math.max(0, d.level - math.floor(elapsed * d.limit * GRAIN / d.window))
    d.marks = math.max(0, d.marks - math.floor(elapsed * d.soft * GRAIN / d.window))
  end
end

local function fits(d, n)
  if d.kind == 'g' then
    return d.level + n * GRAIN <= d.burst * GRAIN
  end
  return d.count + n <= d.limit
end

local function beyond_soft(d, n)
  if d.soft == 0 then
    return false
  end
  if d.kind == 'g' then
    return d.marks + n * GRAIN > d.burst * GRAIN
  end
  return d.count + n > d.soft
end

local function room(d)
  if d.kind == 'g' then
    return math.floor((d.burst * GRAIN - d.level) / GRAIN)
  end
  return d.limit - d.count
end

local function used(d)
  if d.kind == 'g' then
    return math.ceil(d.level / GRAIN)
  end
  return d.count
end

local function life(microseconds)
  return text(math.ceil(microseconds / 1000) + 1000)
end

local function add(d, n, now)
  if d.kind == 's' then
    d.count = d.count + n
    local last = d.last
    if last and math.floor(last.at / d.slice) == math.floor(now / d.slice) then
      last.at, last.total, last.count = now, (last.total + n) % WRAP, last.count + n
      redis.call('LSET', d.key, -1, text(last.at) .. ' ' .. text(last.total) .. ' ' .. text(last.count))
    else
      d.last = {at = now, total = ((last and last.total or 0) + n) % WRAP, count = n}
      redis.call('RPUSH', d.key, text(now) .. ' ' .. text(d.last.total) .. ' ' .. text(n))
    end
    d.first = d.first or d.last
    redis.call('PEXPIRE', d.key, life(d.window))
  elseif d.kind == 'f' then
    d.start, d.count = d.start or now, d.count + n
    redis.call('SET', d.key, text(d.start) .. ' ' .. text(d.count), 'PX', life(d.start + d.window - now))
  else
    if not beyond_soft(d, n) and d.soft > 0 then
      d.marks = d.marks + n * GRAIN
    end
    d.level = d.level + n * GRAIN
    -- The slower bucket empties last, unless it is off.
    local empty = math.max(d.limit > 0 and d.level / d.limit or 0, d.soft > 0 and d.marks / d.soft or 0) / GRAIN * d.window
    redis.call('SET', d.key, text(d.level) .. ' ' .. text(d.marks) .. ' ' .. text(now), 'PX', life(empty))
  end
end

-- reset is when something that counts now no longer does.
local function reset(d, now)
  if d.kind == 's' then
    return d.first and d.first.at + d.window - now or 0
  elseif d.kind == 'f' then
    return d.start and d.start + d.window - now or 0
  end
  return d.limit > 0 and math.ceil(math.min(d.level, GRAIN) / GRAIN / d.limit * d.window) or 0
end

-- reset_for is when n fit that do not now, and nothing else came between: to the microsecond, for until then refusals are not asked for again.
local function reset_for(d, n, now)
  if d.kind == 'g' then
    local over = d.before + n * GRAIN - d.burst * GRAIN
    return math.max(d.latest + math.ceil(over * d.window / (d.limit * GRAIN)) - now, 1)
  elseif d.kind == 'f' then
    return d.start + d.window - now
  end
  -- The first entry with whose end enough has left.
  local leave = d.count + n - d.limit
  if d.first.count >= leave then
    return d.first.at + d.window - now
  end
  local low, high = 1, redis.call('LLEN', d.key) - 1
  while low < high do
    local mid = math.floor((low + high) / 2)
    local e = entry(redis.call('LINDEX', d.key, mid))
    if (e.total - d.first.total) % WRAP + d.first.count >= leave then
      high = mid
    else
      low = mid + 1
    end
  end
  return entry(redis.call('LINDEX', d.key, low)).at + d.window - now
end
