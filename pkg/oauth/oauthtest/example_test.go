package oauthtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

func Example() {
	p := oauthtest.Kiwify(oauthtest.Options{Clients: []oauthtest.Client{{
		ID: "shop", Secret: oauth.NewSecret("s3cret"), AccountID: "acc0",
	}}})
	client := &http.Client{Transport: p.Transport()}

	ask := func(secret string) map[string]any {
		form := url.Values{"client_id": {"shop"}, "client_secret": {secret}}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.TokenURL(), strings.NewReader(form.Encode()))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(req)
		if err != nil {
			panic(err)
		}
		defer func() { _ = res.Body.Close() }()
		var answer map[string]any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			panic(err)
		}
		return answer
	}

	p.Inject(oauthtest.TooMany(30 * time.Second)) // for the next call

	fmt.Println(ask("s3cret")["message"])
	fmt.Println(ask("wrong")["message"])
	answer := ask("s3cret")
	fmt.Printf("%T %v\n", answer["expires_in"], answer["expires_in"])
	fmt.Println("valid:", p.Validate(answer["access_token"].(string)))
	for _, call := range p.Calls() {
		fmt.Printf("%s by %s: %d %q\n", call.ClientID, call.Auth, call.Status, call.Fault)
	}
	// Output:
	// Too many requests
	// Invalid client: client is invalid
	// string 86400
	// valid: true
	// shop by form: 429 "status 429"
	// shop by form: 400 ""
	// shop by form: 200 ""
}
