package scenetest

import (
	"errors"
	"strings"
	"testing"

	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/fault"
	"proscenium/scenes/source"
)

func TestNoTestPassesOnAFaultOfTheEngine(t *testing.T) {
	at := source.Parse(nil).Root
	for _, reason := range []string{"INTERNAL", "USER_REQUIRED"} {
		e := expectation{Expectation: &scenetestv1.Expectation{Refused: &scenetestv1.Refusal{Reason: reason}}, at: at}
		got := (&testCase{expect: []expectation{e}}).judge(nil, errors.New("the engine panicked: bug"))
		if len(got) != 1 || !strings.Contains(got[0].Message, "panicked: bug") {
			t.Errorf("a panic where %s is expected: %+v", reason, got)
		}
		got = (&testCase{expect: []expectation{e}}).judge(nil, fault.Invalid("user_id", "USER_REQUIRED", "give it"))
		if passed := len(got) == 0; passed != (reason == "USER_REQUIRED") {
			t.Errorf("USER_REQUIRED where %s is expected: %+v", reason, got)
		}
	}
}
