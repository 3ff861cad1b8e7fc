package hierarchy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"proscenium/engine/policy/hierarchy/share"
)

var anyRate = rapid.Custom(func(t *rapid.T) share.Rate {
	return share.Rate(rapid.Int64Range(0, int64(share.MaxRate)).Draw(t, "rate"))
})

func TestMessagesArriveAsTheyWereSent(t *testing.T) {
	var gotReport report // used again and again, as in production
	var gotGrants grants
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 4)
		id := rapid.Uint64()
		sent := report{epoch: id.Draw(t, "epoch"), leader: id.Draw(t, "leader"), version: id.Draw(t, "version"), resources: []resourceReport{}}
		told := grants{
			epoch: sent.epoch, leader: sent.leader, version: sent.version, answers: id.Draw(t, "answers"), hold: rapid.Bool().Draw(t, "hold"),
			instances: rapid.IntRange(0, 1<<31-1).Draw(t, "instances"), resources: []resourceGrants{},
		}
		for range n.Draw(t, "resources") {
			r, g := resourceReport{key: id.Draw(t, "key"), queues: []queueReport{}}, resourceGrants{key: id.Draw(t, "key"), queues: []queueGrant{}}
			for range n.Draw(t, "queues") {
				r.queues = append(r.queues, queueReport{
					key: id.Draw(t, "key"), want: anyRate.Draw(t, "want"), starving: rapid.Bool().Draw(t, "starving"), used: anyRate.Draw(t, "used"),
					grant: anyRate.Draw(t, "grant"), safe: anyRate.Draw(t, "safe"), promised: anyRate.Draw(t, "promised"),
				})
				q := queueGrant{key: id.Draw(t, "key"), grant: anyRate.Draw(t, "grant"), safe: anyRate.Draw(t, "safe"), promised: anyRate.Draw(t, "promised")}
				q.safeBound = q.safe + share.Rate(rapid.Int64Range(0, int64(share.MaxRate-q.safe)).Draw(t, "bound"))
				g.queues = append(g.queues, q)
			}
			sent.resources, told.resources = append(sent.resources, r), append(told.resources, g)
		}
		if err := gotReport.parse(sent.encode()); err != nil {
			t.Fatal(err)
		}
		if err := gotGrants.parse(told.encode()); err != nil {
			t.Fatal(err)
		}
		all := cmp.Options{cmp.AllowUnexported(report{}, resourceReport{}, queueReport{}, grants{}, resourceGrants{}, queueGrant{}), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(sent, gotReport, all); diff != "" {
			t.Errorf("report (-sent +got):\n%s", diff)
		}
		if diff := cmp.Diff(told, gotGrants, all); diff != "" {
			t.Errorf("grants (-sent +got):\n%s", diff)
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2})
	f.Add((&report{resources: []resourceReport{{key: 1, queues: []queueReport{{key: 2, want: 3}}}}}).encode())
	f.Add((&grants{resources: []resourceGrants{{key: 1, queues: []queueGrant{{key: 2, grant: 3}}}}}).encode())
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r report
		if r.parse(b) == nil {
			var again report
			if err := again.parse(r.encode()); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			}
		}
		var g grants
		if g.parse(b) == nil {
			for _, res := range g.resources {
				for _, q := range res.queues {
					if q.grant < 0 || q.grant > share.MaxRate || q.safeBound < q.safe || q.safeBound > share.MaxRate {
						t.Errorf("%+v", q)
					}
				}
			}
		}
	})
}
