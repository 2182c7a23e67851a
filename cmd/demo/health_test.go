package main

import (
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

func TestWhatAHealthcheckMustNotDoIsNoted(t *testing.T) {
	const failure, token = "/oauth/a/refresh_failure", "/oauth/a/access_token"
	usual := []awstest.Call{
		{Op: awstest.ListSecrets}, {Op: awstest.DescribeParameters}, {Op: awstest.DescribeParameters},
		{Op: awstest.GetSecretValue, Names: []string{"oauth/a"}, Decrypts: true}, {Op: awstest.GetParameters, Names: []string{failure}},
	}
	for name, c := range map[string]struct {
		more      []awstest.Call
		endpoints int
		want      string
	}{
		"two listings, a secret for the endpoint, the words of a failure": {nil, 1, ""},
		"a secret for each of two endpoints":                              {usual[3:4], 2, ""},
		"more secrets than endpoints":                                     {usual[3:4], 1, "called GetSecretValue oauth/a"},
		"a batch of secrets":                                              {[]awstest.Call{{Op: awstest.BatchGetSecretValue, Names: []string{"oauth/a"}}}, 9, "called BatchGetSecretValue oauth/a"},
		"a token among the words":                                         {[]awstest.Call{{Op: awstest.GetParameters, Names: []string{failure, token}}}, 1, "called GetParameters " + failure + " " + token},
		"words with decryption":                                           {[]awstest.Call{{Op: awstest.GetParameters, Names: []string{failure}, Decrypts: true}}, 1, "called GetParameters " + failure},
		"a token":                                                         {[]awstest.Call{{Op: awstest.GetParameter, Names: []string{token}}}, 1, "called GetParameter " + token},
		"a write that was refused":                                        {[]awstest.Call{{Op: awstest.PutParameter, Names: []string{token}, Code: "AccessDeniedException"}}, 1, "called PutParameter " + token},
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
