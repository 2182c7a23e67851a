package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// maxWalk is the greatest number of packages between the event and PutParameter.
const maxWalk = 5

// TestOneRenewal is the walk that ARCHITECTURE.md lists: the packages on the stack from the event to the request that publishes the token.
func TestOneRenewal(t *testing.T) {
	world, provider := new(awstest.World), oauthtest.Kiwify(oauthtest.Options{})
	agent := ""
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		provider.ServeHTTP(w, r)
	}))
	t.Cleanup(endpoint.Close)
	provider.Add(oauthtest.Client{ID: "main", Secret: oauth.NewSecret("secret-of-main-0123456789"), AccountID: "store-main"})
	if _, err := world.PutSecret("oauth/kiwify/main", fmt.Sprintf(
		`{"provider":"kiwify","client_id":"main","client_secret":"secret-of-main-0123456789","token_endpoint":%q}`, endpoint.URL+provider.TokenPath())); err != nil {
		t.Fatal(err)
	}
	var walk []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutParameter") {
			walk = packagesAbove("internal/ssmstore.(*Store).Put")
		}
		world.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	f := newFunctionAt(t, server.URL, &out, "AWS_SAM_LOCAL", "true")
	result, err := f.Invoke(t.Context(), []byte(`{}`))
	if err != nil || !strings.Contains(string(result), `"refreshed":1`) {
		t.Fatalf("%s, %v\n%s", result, err, out.String())
	}
	if agent != "chaveiro (+oauth2 token client)" {
		t.Errorf("the token endpoint sees the user agent %q", agent)
	}
	t.Logf("the packages from the event to PutParameter: %s", strings.Join(walk, ", "))
	for _, must := range []string{"functions/refresher", "internal/refresh", "internal/publish", "internal/ssmstore"} {
		if !slices.Contains(walk, must) {
			t.Errorf("%s is not in the walk %v: this test sees too little", must, walk)
		}
	}
	if len(walk) > maxWalk {
		t.Errorf("%d packages between the event and PutParameter, at most %d: %v", len(walk), maxWalk, walk)
	}
}

var (
	frame     = regexp.MustCompile(`(?m)^github\.com/chaveiro/chaveiro/((?:functions|internal|pkg)/[a-z/]+)\.`)
	goroutine = regexp.MustCompile(`^goroutine (\d+) `)
	creator   = regexp.MustCompile(`created by .* in goroutine (\d+)`)
)

// packagesAbove are the packages of this module on the stack of the goroutine that is inside a function, and of those that started it.
func packagesAbove(function string) []string {
	dump := make([]byte, 8<<20)
	stacks := map[string]string{}
	next := ""
	for stack := range strings.SplitSeq(string(dump[:runtime.Stack(dump, true)]), "\n\n") {
		id := goroutine.FindStringSubmatch(stack)
		if id == nil {
			continue
		}
		stacks[id[1]] = stack
		if strings.Contains(stack, function) {
			next = id[1]
		}
	}
	// The package of a command is called main on the stack.
	command := regexp.MustCompile(`(?m)^(?:github\.com/chaveiro/chaveiro/functions/refresher|main)\.\(\*function\)`)
	var all []string
	for next != "" {
		stack := stacks[next]
		for _, m := range frame.FindAllStringSubmatch(stack, -1) {
			all = append(all, m[1])
		}
		if command.MatchString(stack) {
			all = append(all, "functions/refresher")
		}
		by := creator.FindStringSubmatch(stack)
		if next = ""; by != nil {
			next = by[1]
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
