package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// fleetSize is how many processes share.
const fleetSize = 3

// What the fleet shares. Capacity, guarantees and bursts are requests, a second where they are rates.
const (
	sharedLimit    = 1000
	capacity       = 600
	highGuaranteed = 200
	lowGuaranteed  = 100
	queueBurst     = 10
)

// sharedPolicies have a scene for each way of counting, and one for each queue. Nothing else can refuse a request.
const sharedPolicies = regions + `
limits:
  sliding: {per_second: {window: 1s, limit: 1000}}
  fixed: {per_second: {window: 1s, limit: 1000, fixed: true}}
  reserved: {per_second: {window: 1s, limit: 1000, counting: RESERVED}}
hierarchy_limits:
  readers:
    root_queue:
      max_limit: 600
      sub_queues:
        - {queue: high, guaranteed_limit: 200, priority: 2, per_instance: {burst: 10}}
        - {queue: low, guaranteed_limit: 100, priority: 1, per_instance: {burst: 10}}
    safe_mode: GUARANTEED_SHARE
scenarios:
  - {id: 1, name: buyer}
clients:
  - {id: 1, name: shop, allowed_scenes: [sliding, fixed, reserved, high, low]}
scenes:
  - {id: 1, name: sliding, client: shop, scenario: buyer, model_display: {need_model_main_promo: true}, limits: [sliding]}
  - {id: 2, name: fixed, client: shop, scenario: buyer, model_display: {need_model_main_promo: true}, limits: [fixed]}
  - {id: 3, name: reserved, client: shop, scenario: buyer, model_display: {need_model_main_promo: true}, limits: [reserved]}
  - {id: 4, name: high, client: shop, scenario: buyer, model_display: {need_model_main_promo: true}, rate_limiter: {resource: readers, queue: high}}
  - {id: 5, name: low, client: shop, scenario: buyer, model_display: {need_model_main_promo: true}, rate_limiter: {resource: readers, queue: low}}
`

// sharing is a fleet of processes on a Redis of its own.
type sharing struct {
	t      *testing.T
	binary string
	args   []string
	redis  *kvtest.Server
	shared *kv.Store // where the processes meet

	processes [fleetSize]*serving
	load      *demand
}

// newSharing starts a fleet; nil, having said so, where there is no Redis to run.
func newSharing(t *testing.T) *sharing {
	t.Helper()
	redis := kvtest.Start(t)
	if redis == nil {
		return nil
	}
	dir := t.TempDir()
	config, catalog, file := filepath.Join(dir, "config"), filepath.Join(dir, "catalog"), filepath.Join(dir, "settings.yaml")
	for _, d := range []string{config, catalog} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The longest that may be set: on a busy machine Redis has the most time to answer.
	texts := map[string]string{
		filepath.Join(config, "market.yaml"):  sharedPolicies,
		filepath.Join(catalog, "catalog.csv"): "regions,time_zone,repeats_yearly_from\nUS,America/New_York,2017\n",
		filepath.Join(catalog, "items.csv"):   "item_id,shop_id,name,brand,categories,seller_type,labels\n1000,69,Eggs - X-large (store brand),Private,grocery/eggs/eggs_x_large,official,private_label best_seller\n",
		filepath.Join(catalog, "models.csv"):  "model_id,item_id,pre_tax_price,stock,gmv\n1,1000,109,172,109\n",
		file:                                  fmt.Sprintf("redis: {addresses: [%q], prefix: fleet, timeout: 45ms}\n", redis.Addr()),
	}
	for name, text := range texts {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &sharing{
		t: t, binary: build(t), redis: redis,
		args:   []string{"--settings", file, "--config", config, "--catalog", catalog, "--data", filepath.Join(dir, "data")},
		shared: redis.Open(func(o *kv.Options) { o.Prefix = "fleet" }).Of(traffic.Live),
	}
	for i := range f.processes {
		f.start(i)
	}
	f.load = newDemand(t)
	for i, p := range f.processes {
		f.load.direct(i, p.prices)
	}
	f.waitUntilAllKnowAll()
	return f
}

func (f *sharing) start(i int) {
	f.t.Helper()
	f.processes[i] = startServing(f.t, f.binary, f.args...)
}

// crash kills a process with its requests under way, and starts it again, at another port. It is asked as soon as it knows of the others.
func (f *sharing) crash(i int) {
	f.t.Helper()
	f.processes[i].kill(f.t) // SIGKILL
	f.start(i)
	f.waitUntilAllKnowAll() // without Redis, who does not know of the others has all of a limit
	f.load.direct(i, f.processes[i].prices)
}

// reports are the numbers of the last reports that processes made to the fleet, by process.
var reports = kv.NewScript(`
local rows, numbers = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #rows, 2 do
  numbers[i], numbers[i + 1] = rows[i], string.sub(rows[i + 1], 1, 16)
end
return numbers`)

func (f *sharing) reports() map[string]string {
	f.t.Helper()
	answer, err := f.shared.Run(f.t.Context(), reports, []string{"{hierarchy}reports"})
	if err != nil {
		f.t.Fatal(err)
	}
	rows, _ := answer.([]any)
	numbers := map[string]string{}
	for i := 0; i+1 < len(rows); i += 2 {
		numbers[rows[i].(string)] = rows[i+1].(string)
	}
	return numbers
}

// waitUntilAllKnowAll waits until each process has been answered since all had reported: then each knows how many they are.
func (f *sharing) waitUntilAllKnowAll() {
	f.t.Helper()
	var first map[string]string
	waitFor(f.t, "every process to report to the fleet", func() bool {
		first = f.reports()
		return len(first) >= fleetSize
	})
	// A number is of 16 hexadecimal digits: it has grown if its text is greater. The allocator counts the reports it finds each quarter of a second.
	const rounds = 4
	for range rounds {
		waitFor(f.t, "every process to report to the fleet again", func() bool {
			now, grown := f.reports(), 0
			for id, number := range now {
				if number > first[id] {
					grown++
				}
			}
			if grown >= fleetSize {
				first = now
			}
			return grown >= fleetSize
		})
	}
}

// end ends the load, and the processes as an operator does.
func (f *sharing) end() {
	f.t.Helper()
	f.load.end()
	for _, p := range f.processes {
		if err := p.command.Process.Signal(os.Interrupt); err != nil {
			f.t.Error(err)
			continue
		}
		<-p.stdoutClosed
		if err := p.command.Wait(); err != nil {
			f.t.Errorf("the end of a process: %v\n%s", err, p.log())
		}
		if strings.Contains(p.log(), "panic") {
			f.t.Errorf("a process panicked:\n%s", p.log())
		}
	}
}
