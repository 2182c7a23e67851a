package e2e_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// story is one installation, its providers, and what was seen so far.
type story struct {
	stores   *stores
	hotmart  listening
	kiwify   listening
	function *lambdatest.Function

	sent     map[string]bool   // event files
	results  strings.Builder   // every payload and error of the function
	canaries map[string]string // what must never be printed, by what it is
}

// listening is a provider on a port.
type listening struct {
	provider *oauthtest.Provider
	name     string
	endpoint string // of tokens
}

func newStory(t *testing.T, at *stores) *story {
	t.Helper()
	s := &story{
		stores:  at,
		hotmart: listen(t, "hotmart", oauthtest.Hotmart(oauthtest.Options{})),
		kiwify:  listen(t, "kiwify", oauthtest.Kiwify(oauthtest.Options{})),
		sent:    map[string]bool{}, canaries: map[string]string{},
	}
	s.connect(t, hotmart, s.hotmart, "loja-a-client", "")
	s.connect(t, kiwify, s.kiwify, "main-client", "store-main")
	s.connect(t, typo, s.kiwify, "loja-b-client", "store-b")
	s.kiwify.provider.Update("loja-b-client", func(c *oauthtest.Client) { c.Secret = oauth.NewSecret("another than was stored") })
	return s
}

func listen(t *testing.T, name string, p *oauthtest.Provider) listening {
	t.Helper()
	base, closer, err := p.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closer)
	return listening{p, name, base + p.TokenPath()}
}

// lambda is the configuration of the function: contract.md section 9, with every address on this machine.
func (s *story) lambda(bootstrap string) lambdatest.Config {
	return lambdatest.Config{
		Bootstrap: bootstrap, Name: "chaveiro-refresher", Timeout: time.Minute,
		Env: map[string]string{
			"SECRET_PREFIX": s.stores.secretPrefix, "PARAMETER_PREFIX": s.stores.parameterPrefix, "STATE_TABLE": s.stores.table, "STACK_NAME": "e2e",
			"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "e2e", "AWS_SECRET_ACCESS_KEY": "e2e",
			"AWS_ENDPOINT_URL_SSM": s.stores.url, "AWS_ENDPOINT_URL_SECRETS_MANAGER": s.stores.url, "AWS_ENDPOINT_URL_DYNAMODB": s.stores.url,
			"AWS_SAM_LOCAL": "true", "LOG_LEVEL": "DEBUG",
		},
	}
}

// connect makes a new pair in the provider's panel and stores it as the connection's secret.
func (s *story) connect(t *testing.T, connection string, at listening, clientID, account string) {
	t.Helper()
	secret := rand.Text() + "/+%&=" // needs encoding in a form, in a URL and in Basic
	s.canaries["client_secret of "+clientID] = secret
	at.provider.Add(oauthtest.Client{ID: clientID, Secret: oauth.NewSecret(secret), AccountID: account})
	document, err := json.Marshal(map[string]string{
		"provider": at.name, "client_id": clientID, "client_secret": secret, "token_endpoint": at.endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.stores.putSecret(t, connection, string(document))
}

// send invokes the function with an event file.
func (s *story) send(t *testing.T, file string) refresh.Result {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(eventsDir, file))
	if err != nil {
		t.Fatal(err)
	}
	s.sent[file] = true
	return s.sendText(t, string(event))
}

func (s *story) sendText(t *testing.T, event string) refresh.Result {
	t.Helper()
	answer, err := s.function.Invoke(t.Context(), []byte(event))
	s.results.Write(answer.Payload)
	if err != nil {
		s.results.WriteString(err.Error())
		t.Fatalf("event %s: %s", event, s.censor(err.Error()))
	}
	var result refresh.Result
	if err := json.Unmarshal(answer.Payload, &result); err != nil {
		t.Fatalf("the result is no Result: %v", err)
	}
	return result
}

// wantToken checks the published token as its reader and the provider see it, and its state as the next sweep will.
func (s *story) wantToken(t *testing.T, connection, clientID string, version int64) {
	t.Helper()
	at := s.kiwify
	if connection == hotmart {
		at = s.hotmart
	}
	p := s.stores.parameter(t, connection, store.KindToken)
	s.canaries["token "+oauth.NewSecret(p.value).Fingerprint()+" of "+connection] = p.value
	if p.kind != "SecureString" || p.version != version {
		t.Errorf("%s: a %s of version %d, want a SecureString of version %d", connection, p.kind, p.version, version)
	}
	if issued, ok := at.provider.Inspect(p.value); !ok || !issued.Live || issued.ClientID != clientID {
		t.Errorf("%s: the provider knows the token: %t, live: %t, client %q, want %q", connection, ok, issued.Live, issued.ClientID, clientID)
	}
	token := s.stores.state(t, connection).Token
	if token == nil {
		t.Fatalf("%s: the item has no token", connection)
	}
	if token.Provider != at.name || token.Version != version || token.TokenID != oauth.NewSecret(p.value).Fingerprint() {
		t.Errorf("%s: %+v does not describe the token", connection, token)
	}
	if !token.RenewAt.After(token.IssuedAt) || !token.ExpiresAt.After(token.RenewAt) {
		t.Errorf("%s: issued %s, renewed %s, expires %s", connection, token.IssuedAt, token.RenewAt, token.ExpiresAt)
	}
}

// age moves the dates of a token in the state table back, as if it had been published earlier.
func (s *story) age(t *testing.T, connection string, by time.Duration) {
	t.Helper()
	token := s.stores.state(t, connection).Token
	if token == nil {
		t.Fatalf("the item of %s has no token", connection)
	}
	earlier := func(at time.Time) dbtypes.AttributeValue {
		return &dbtypes.AttributeValueMemberS{Value: at.Add(-by).UTC().Format(time.RFC3339)}
	}
	if _, err := s.stores.dynamo.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &s.stores.table, Key: key(connection),
		UpdateExpression: aws.String("SET issued_at = :issued, renew_at = :renew, expires_at = :expires"),
		ExpressionAttributeValues: map[string]dbtypes.AttributeValue{
			":issued": earlier(token.IssuedAt), ":renew": earlier(token.RenewAt), ":expires": earlier(token.ExpiresAt),
		},
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *story) tokenCalls() int {
	return s.hotmart.provider.Total().TokenCalls + s.kiwify.provider.Total().TokenCalls
}

// leaks names the canaries that a text holds: plain, URL-encoded, quoted or in base64, also in the middle of an encoded pair.
func (s *story) leaks(text string) []string {
	var found []string
	for what, canary := range s.canaries {
		for _, form := range forms(canary) {
			if strings.Contains(text, form) {
				found = append(found, what)
				break
			}
		}
	}
	return found
}

// censor replaces canaries, so that a failing test does not print what it found.
func (s *story) censor(text string) string {
	for what, canary := range s.canaries {
		for _, form := range forms(canary) {
			text = strings.ReplaceAll(text, form, "<"+what+">")
		}
	}
	return text
}

func forms(canary string) []string {
	quoted, _ := json.Marshal(canary) // a string always can be
	all := []string{canary, url.QueryEscape(canary), url.PathEscape(canary), strings.Trim(string(quoted), `"`)}
	for shift := range 3 { // base64 of anything that holds it: the middle, for each of the three alignments
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary))
			all = append(all, encoded[4:len(encoded)-4])
		}
	}
	return all
}
