package main

import (
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

func TestWhatAHealthcheckMustNotDoIsNoted(t *testing.T) {
	const token = "/oauth/a/access_token"
	usual := []awstest.Call{
		{Op: awstest.ListSecrets}, {Op: awstest.Scan}, {Op: awstest.Scan},
		{Op: awstest.GetSecretValue, Names: []string{"oauth/a"}, Decrypts: true},
	}
	for name, c := range map[string]struct {
		more      []awstest.Call
		endpoints int
		want      string
	}{
		"a listing, a scan, a secret for the endpoint": {nil, 1, ""},
		"a secret for each of two endpoints":           {usual[3:], 2, ""},
		"more secrets than endpoints":                  {usual[3:], 1, "called GetSecretValue oauth/a"},
		"a batch of secrets":                           {[]awstest.Call{{Op: awstest.BatchGetSecretValue, Names: []string{"oauth/a"}}}, 9, "called BatchGetSecretValue oauth/a"},
		"parameters":                                   {[]awstest.Call{{Op: awstest.GetParameters, Names: []string{token}}}, 1, "called GetParameters " + token},
		"a state that is written":                      {[]awstest.Call{{Op: awstest.UpdateItem, Names: []string{"a"}}}, 1, "called UpdateItem a"},
		"a token":                                      {[]awstest.Call{{Op: awstest.GetParameter, Names: []string{token}}}, 1, "called GetParameter " + token},
		"a write that was refused":                     {[]awstest.Call{{Op: awstest.PutParameter, Names: []string{token}, Code: "AccessDeniedException"}}, 1, "called PutParameter " + token},
	} {
		t.Run(name, func(t *testing.T) {
			h := new(health)
			h.watch(append(usual, c.more...), c.endpoints)
			if got := strings.Join(h.beside, "; "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	unseen := new(health)
	if unseen.watch(nil, 1); len(unseen.beside) != 1 {
		t.Error("a healthcheck whose calls are not counted is not noted")
	}
}
