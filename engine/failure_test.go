package engine_test

import (
	"testing"
	"time"

	"proscenium/engine"
)

func TestEveryFailureOfADependencyIsTold(t *testing.T) {
	for _, command := range []string{"price.query", "rebate.query", "stock.query", "voucher.best_vouchers"} {
		t.Run(command, func(t *testing.T) {
			w := fullWorld()
			misbehave(w, command, func(contextT) error { return errDown })
			var told []engine.Failure
			e := engine.New(engine.Deps{Open: w.providers, Now: func() time.Time { return w.now }, Failed: func(f engine.Failure) { told = append(told, f) }})
			if err := e.Apply(load(t, base+scene("s", fullScenario, full))); err != nil {
				t.Fatal(err)
			}
			_, err := e.Price(t.Context(), engine.Caller{}, asUser(request("s", 1), 7))
			if (err != nil) != (command == "price.query") {
				t.Errorf("got %v", err)
			}
			if len(told) != 1 || told[0].Command.String() != command || told[0].Scene != "s" || told[0].Outcome != engine.Failed {
				t.Errorf("told %+v", told)
			}
		})
	}
}
