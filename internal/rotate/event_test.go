package rotate_test

import (
	"os"
	"testing"

	"github.com/chaveiro/chaveiro/internal/rotate"
)

func TestTheExamplesOfEventsAreRead(t *testing.T) {
	for file, step := range map[string]rotate.Step{
		"create": rotate.CreateSecret, "set": rotate.SetSecret, "test": rotate.TestSecret, "finish": rotate.FinishSecret,
	} {
		raw, err := os.ReadFile("../../events/rotator/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := rotate.ParseEvent(raw); err != nil || ev.Step != step {
			t.Errorf("%s: %v, %v", file, ev.Step, err)
		}
	}
}
