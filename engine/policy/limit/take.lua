-- One decision over several dimensions, all or nothing.
-- KEYS: the clock, then each dimension. ARGV: cost, 1 to consume; then for each dimension what rule() reads, and how many to take where they fit
-- (at least the cost). Answers 1 or 0, then for each dimension: 0 ok, 1 soft, 2 refused; taken; used; microseconds until more fit.
local cost, consume = tonumber(ARGV[1]), ARGV[2] == '1'
local dimensions, admitted = {}, 1
for i = 2, #KEYS do
  dimensions[i - 1] = load(KEYS[i], 3 + (i - 2) * 7)
end
local now = clock(KEYS[1], dimensions)
for _, d in ipairs(dimensions) do
  settle(d, now)
  if not fits(d, cost) then
    admitted = 0
  end
end
local answer = {admitted}
for _, d in ipairs(dimensions) do
  local outcome, taken = 0, 0
  if not fits(d, cost) then
    outcome = 2
  else
    if beyond_soft(d, cost) then
      outcome = 1
    end
    if admitted == 1 and consume then
      taken = math.min(d.n, room(d))
      add(d, taken, now)
    end
  end
  answer[#answer + 1] = outcome
  answer[#answer + 1] = taken
  answer[#answer + 1] = used(d)
  answer[#answer + 1] = (outcome == 2) and reset_for(d, cost, now) or reset(d, now)
end
keep_clock(KEYS[1], now, admitted == 1 and consume)
return answer
