-- Adds up what was counted elsewhere, whatever the limits, unless that was done before.
-- KEYS: the clock, what the sender sent last, then each dimension. ARGV: the number of the message, how long it is remembered in milliseconds; then for
-- each dimension what rule() reads, and how many to add. Answers for each dimension: used; microseconds until more fit.
local before = redis.call('GET', KEYS[2])
local fresh = not before or tonumber(before) < tonumber(ARGV[1])
local dimensions = {}
for i = 3, #KEYS do
  dimensions[i - 2] = load(KEYS[i], 3 + (i - 3) * 7)
end
local now = clock(KEYS[1], dimensions)
local answer = {}
for _, d in ipairs(dimensions) do
  settle(d, now)
  if fresh and d.n > 0 then
    add(d, d.n, now)
  end
  answer[#answer + 1] = used(d)
  answer[#answer + 1] = reset(d, now)
end
if fresh then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
keep_clock(KEYS[1], now, fresh)
return answer
