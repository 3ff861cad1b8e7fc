package limit

import (
	_ "embed" // the scripts
	"fmt"

	"proscenium/kv"
)

//go:embed state.lua
var stateLua string

//go:embed take.lua
var takeLua string

//go:embed add.lua
var addLua string

// scripts are what Redis runs. They differ only in what they do with the counts that state.lua keeps.
type scripts struct{ take, add *kv.Script }

func newScripts() scripts {
	return scripts{take: kv.NewScript(stateLua + takeLua), add: kv.NewScript(stateLua + addLua)}
}

// integers reads an answer of n integers.
func integers(reply any, n int) ([]int64, error) {
	list, ok := reply.([]any)
	if !ok || len(list) != n {
		return nil, fmt.Errorf("%d integers were expected: %v", n, reply)
	}
	out := make([]int64, n)
	for i, v := range list {
		if out[i], ok = v.(int64); !ok {
			return nil, fmt.Errorf("an integer was expected: %v", v)
		}
	}
	return out, nil
}
