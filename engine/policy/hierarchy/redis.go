package hierarchy

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"proscenium/kv"
)

// redisExchange is the exchange in Redis: five keys of one store, which share a slot of a cluster.
//
//	leader   the term and the process of the allocator; expires
//	epoch    the highest epoch that was given
//	whole    is there when the grants leave nobody out
//	reports  by process: the number of its last report as 16 digits, and the report
//	grants   by process: likewise the report that is answered, and the grants
type redisExchange struct {
	store  *kv.Store
	timing *Timing
}

const (
	leaderKey  = "{hierarchy}leader"
	epochKey   = "{hierarchy}epoch"
	reportsKey = "{hierarchy}reports"
	grantsKey  = "{hierarchy}grants"
	wholeKey   = "{hierarchy}whole"
)

// The expiry of the tables removes what a fleet leaves that is gone for good.
var reportScript = kv.NewScript(`
local last = redis.call('HGET', KEYS[2], ARGV[1])
if not last or string.sub(last, 1, 16) < ARGV[2] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return {redis.call('HGET', KEYS[3], ARGV[1]) or '', string.sub(redis.call('GET', KEYS[1]) or '', 1, 16)}`)

// A negative epoch says that Redis lost its memory.
var electScript = kv.NewScript(`
local now = redis.call('GET', KEYS[1])
if now and string.sub(now, 1, 16) ~= ARGV[1] then return 0 end
local last, floor = tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[2])
local epoch = math.max(last, floor) + 1
redis.call('SET', KEYS[2], string.format('%.0f', epoch))
redis.call('SET', KEYS[1], ARGV[1] .. string.format('%.0f', epoch), 'PX', ARGV[3])
if last < floor then redis.call('DEL', KEYS[3]) end
if redis.call('EXISTS', KEYS[3]) == 0 then return -epoch end
return epoch`)

var collectScript = kv.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local grants = {}
if ARGV[3] == '1' then grants = redis.call('HGETALL', KEYS[3]) end
return {redis.call('HGETALL', KEYS[2]), grants}`)

var publishScript = kv.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[5] == '1' then redis.call('SET', KEYS[4], '1') end
local forget = tonumber(ARGV[4])
for i = 6, 5 + forget do
  redis.call('HDEL', KEYS[2], ARGV[i])
  redis.call('HDEL', KEYS[3], ARGV[i])
end
for i = 6 + forget, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1`)

var leaveScript = kv.NewScript(`
redis.call('HSET', KEYS[2], ARGV[1], 'ffffffffffffffff')
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[1])
local now = redis.call('GET', KEYS[1])
if now and string.sub(now, 1, 16) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

var errExchange = errors.New("redis answered something else than the script returns")

func (e *redisExchange) do(ctx context.Context, r *request) (*response, error) {
	out, err := e.run(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("exchange of the hierarchical limiter: %w", err)
	}
	return e.response(r, out)
}

func (e *redisExchange) run(ctx context.Context, r *request) (any, error) {
	id := digits(r.id)
	term := id + strconv.FormatUint(r.epoch, 10)
	kept := 2 * e.timing.Forget.Milliseconds()
	lease := e.timing.Term.Milliseconds()
	switch r.op {
	case opReport:
		return e.store.Run(ctx, reportScript, []string{leaderKey, reportsKey, grantsKey}, id, digits(r.seq), r.report, kept)
	case opElect:
		return e.store.Run(ctx, electScript, []string{leaderKey, epochKey, wholeKey}, id, r.floor, lease)
	case opCollect:
		return e.store.Run(ctx, collectScript, []string{leaderKey, reportsKey, grantsKey}, term, lease, r.withGrants)
	case opLeave:
		return e.store.Run(ctx, leaveScript, []string{leaderKey, reportsKey, grantsKey}, id, kept)
	}
	args := make([]any, 0, 5+len(r.forget)+2*len(r.grants))
	args = append(args, term, lease, kept, len(r.forget), r.whole)
	for _, gone := range r.forget {
		args = append(args, digits(gone))
	}
	for i := range r.grants {
		args = append(args, digits(r.grants[i].id), digits(r.grants[i].seq)+string(r.grants[i].data))
	}
	return e.store.Run(ctx, publishScript, []string{leaderKey, reportsKey, grantsKey, wholeKey}, args...)
}

func (e *redisExchange) response(r *request, out any) (*response, error) {
	if n, ok := out.(int64); ok && r.op != opReport {
		return &response{ok: n != 0, epoch: uint64(max(n, -n)), lost: n < 0}, nil
	}
	list, ok := out.([]any)
	if !ok || len(list) != 2 {
		return nil, errExchange
	}
	if r.op == opReport {
		grant, ok1 := list[0].(string)
		leader, ok2 := list[1].(string)
		if !ok1 || !ok2 {
			return nil, errExchange
		}
		answer := &response{}
		if leader != "" {
			id, err := strconv.ParseUint(leader, 16, 64)
			if err != nil {
				return nil, errExchange
			}
			answer.leader = id
		}
		if len(grant) > 16 {
			answer.grant = []byte(grant[16:])
		}
		return answer, nil
	}
	reports, err := rowsOf(list[0])
	if err != nil {
		return nil, err
	}
	grants, err := rowsOf(list[1])
	return &response{ok: true, reports: reports, grants: grants}, err
}

// rowsOf reads a hash as it comes: names and values in turn. Rows that are not ours are left out.
func rowsOf(v any) ([]row, error) {
	list, ok := v.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, errExchange
	}
	rows := make([]row, 0, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		name, ok1 := list[i].(string)
		value, ok2 := list[i+1].(string)
		if !ok1 || !ok2 || len(value) < 16 {
			continue
		}
		id, err1 := strconv.ParseUint(name, 16, 64)
		seq, err2 := strconv.ParseUint(value[:16], 16, 64)
		if err1 != nil || err2 != nil {
			continue
		}
		rows = append(rows, row{id: id, seq: seq, data: []byte(value[16:])})
	}
	return rows, nil
}

// digits is a number in 16 hexadecimal digits, so that the order of text is that of numbers.
func digits(v uint64) string {
	const hex = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = hex[v>>(60-4*i)&15]
	}
	return string(b[:])
}
