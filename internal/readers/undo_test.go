package readers_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// TestTheCommandsInAMessageWork follows what the program itself tells a person to type: the e-mail's command shows the sentence, and the
// sentence's command undoes a secret that was overwritten by half a document.
func TestTheCommandsInAMessageWork(t *testing.T) {
	wantAWS(t)
	w := published(t)
	_, err := w.aws.PutSecret(secretPrefix+kiwifyMain, `{"client_id":"3f1c7d52","client_secret":"q8ZrLw2vN5tYx7Kp3"}`)
	must(t, err)
	w.sweep1()

	read := ""
	for line := range strings.Lines(snippet(t, "text mail")) {
		line = strings.Trim(line, "\"\n") // a person copies it without the quotation marks
		if strings.HasPrefix(line, "aws ") {
			read = strings.Replace(line, "kiwify/loja-b", kiwifyMain, 1)
		}
	}
	if read == "" {
		t.Fatal("the mail shows no command")
	}
	told := w.shell(read)
	_, undo, found := strings.Cut(told.out, "Undo: ")
	if !told.ok || !found || !strings.HasPrefix(undo, "aws secretsmanager update-secret-version-stage ") {
		t.Fatalf("the sentence has no command to undo with: %s%s", told.out, told.err)
	}
	if got := w.shell(strings.TrimSuffix(strings.TrimSpace(undo), ".")); !got.ok {
		t.Fatal(got.err)
	}
	answer, err := w.run(t.Context(), []byte(`{"connections":["kiwify/main"]}`))
	must(t, err)
	var result refresh.Result
	must(t, json.Unmarshal(answer, &result))
	if result.Counts.Fresh != 1 { // the failure record goes once listings have had time to show the change
		t.Errorf("after the undo the connection is not fresh: %s", answer)
	}
	if state, _ := w.aws.Secret(secretPrefix + kiwifyMain); !strings.Contains(state.Version("AWSCURRENT").Value.Reveal(), `"provider":"kiwify"`) {
		t.Error("AWSCURRENT is not the whole document")
	}
}
