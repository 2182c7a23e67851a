package readers_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// The installation of the pages.
const (
	hotmartShop = "hotmart/loja-a"
	kiwifyMain  = "kiwify/main"
	rotatorARN  = "arn:aws:lambda:" + awstest.Region + ":" + awstest.Account + ":function:chaveiro-rotator"
)

// world is one installation: awstest and stand-ins for other AWS services on one port, at which AWS_ENDPOINT_URL points every AWS SDK.
type world struct {
	t   *testing.T
	aws *awstest.World
	url string
	dir string // where a person types; empty at first
	cli string // major version of the AWS command line, once it is known

	// invoke is the operation Invoke of Lambda: what a function returns to an event.
	invoke func(ctx context.Context, function string, event []byte) ([]byte, error)

	mu     sync.Mutex
	events []string // that the refresher was invoked with

	// Of an installation with functions only.
	providers map[string]*oauthtest.Provider
	endpoints map[string]string // provider -> token endpoint
	driver    *awstest.Rotator  // Secrets Manager's part of a rotation
	documents int               // that were made so far
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, aws: new(awstest.World), dir: t.TempDir()}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// install starts the three functions in a world, with two providers on loopback ports.
func install(t *testing.T, bootstraps map[string]string) *world {
	t.Helper()
	w := newWorld(t)
	w.providers, w.endpoints = map[string]*oauthtest.Provider{}, map[string]string{}
	for _, p := range []*oauthtest.Provider{oauthtest.Hotmart(oauthtest.Options{}), oauthtest.Kiwify(oauthtest.Options{})} {
		base, closer, err := p.Listen("127.0.0.1:0")
		must(t, err)
		t.Cleanup(closer)
		w.providers[p.Name()], w.endpoints[p.Name()] = p, base+p.TokenPath()
	}
	functions := map[string]*lambdatest.Function{}
	for name, bootstrap := range bootstraps {
		env := map[string]string{
			"SECRET_PREFIX": "oauth/", "PARAMETER_PREFIX": "/oauth", "STACK_NAME": "chaveiro", "STATE_TABLE": "StateTable",
			"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": w.url,
			"AWS_SAM_LOCAL": "true", // accepts endpoints on this machine
		}
		f, err := lambdatest.Start(t.Context(), lambdatest.Config{Bootstrap: bootstrap, Name: "chaveiro-" + name, Timeout: time.Minute, Env: env})
		must(t, err)
		t.Cleanup(f.Close)
		functions["chaveiro-"+name] = f
	}
	w.invoke = func(ctx context.Context, function string, event []byte) ([]byte, error) {
		f, ok := functions[function]
		if !ok {
			return nil, errors.New("Function not found: " + function)
		}
		result, err := f.Invoke(ctx, event)
		return result.Payload, err
	}
	w.aws.AllowRotation(rotatorARN)
	w.driver = &awstest.Rotator{World: w.aws, Function: rotatorARN, Tries: 1, Invoke: func(ctx context.Context, event []byte) error {
		_, err := w.invoke(ctx, "chaveiro-rotator", event)
		return err
	}}
	return w
}

// ServeHTTP is the AWS of this world.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	function, isInvoke := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	switch {
	case isInvoke:
		w.serveInvoke(rw, r, strings.TrimSuffix(function, "/invocations"))
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		serveQuery(rw, r)
	case r.Method == http.MethodGet && r.URL.Path == "/":
		w.serveStatus(rw, r)
	case r.Header.Get("X-Amz-Target") == "secretsmanager.CancelRotateSecret": // awstest does not have it
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(rw, "{}")
	case strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_"):
		w.serveTable(rw, r)
	default:
		w.aws.ServeHTTP(rw, r)
	}
}

// stateTable is the name of the state table as the pages show it.
const stateTable = "chaveiro-StateTable-1A2B3C4D5E6F"

// serveTable is the one table of awstest under the name that the pages show. The functions use its own name.
func (w *world) serveTable(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	body = bytes.ReplaceAll(body, []byte(stateTable), []byte(awstest.StateTable))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	w.aws.ServeHTTP(rw, r)
}

// serveInvoke stands in for the operation Invoke of Lambda (API version 2015-03-31).
func (w *world) serveInvoke(rw http.ResponseWriter, r *http.Request, function string) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	if function == "chaveiro-refresher" {
		w.mu.Lock()
		w.events = append(w.events, string(event))
		w.mu.Unlock()
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("X-Amz-Executed-Version", "$LATEST")
	result, err := w.invoke(r.Context(), function, event)
	if err != nil {
		rw.Header().Set("X-Amz-Function-Error", "Unhandled")
		result, _ = json.Marshal(map[string]string{"errorMessage": err.Error()})
	}
	_, _ = rw.Write(result)
}

// stackOutputs is CloudFormation's response to DescribeStacks (API version 2010-05-15), with the outputs that the pages read.
const stackOutputs = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>chaveiro</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-02T03:00:00Z</CreationTime><Outputs>
<member><OutputKey>RefresherName</OutputKey><OutputValue>chaveiro-refresher</OutputValue></member>
<member><OutputKey>RotatorArn</OutputKey><OutputValue>` + rotatorARN + `</OutputValue></member>
<member><OutputKey>StateTableName</OutputKey><OutputValue>` + stateTable + `</OutputValue></member>
<member><OutputKey>StatusUrl</OutputKey><OutputValue>https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.sa-east-1.on.aws/</OutputValue></member>
</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`

// serveQuery stands in for IAM and CloudFormation. The AWS command line checks the arguments; the response is an empty success, or outputs.
func serveQuery(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/xml")
	if action := r.FormValue("Action"); action != "DescribeStacks" {
		_, _ = fmt.Fprintf(rw, "<%[1]sResponse><%[1]sResult></%[1]sResult></%[1]sResponse>", action)
		return
	}
	_, _ = io.WriteString(rw, stackOutputs)
}

// signed is a request by Signature Version 4 for Lambda in the region (AWS IAM user guide, "Signature Version 4 for API requests").
var signed = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=[^/ ]+/\d{8}/sa-east-1/lambda/aws4_request, ?SignedHeaders=\S*host\S*, ?Signature=[0-9a-f]{64}$`)

// serveStatus stands in for the healthcheck's Function URL with IAM authentication. It checks the form of the signature.
func (w *world) serveStatus(rw http.ResponseWriter, r *http.Request) {
	if !signed.MatchString(r.Header.Get("Authorization")) {
		http.Error(rw, `{"Message":"Forbidden"}`, http.StatusForbidden)
		return
	}
	report, err := w.invoke(r.Context(), "chaveiro-healthcheck", []byte("{}"))
	if err != nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = rw.Write(report)
}

// document makes client credentials in a provider's panel. It returns the connection document, or with staged only the credentials.
func (w *world) document(provider string, staged bool) string {
	w.t.Helper()
	w.documents++
	id, secret := fmt.Sprintf("3f1c7d52-0a4b-4c7e-9d2f-%d", w.documents), fmt.Sprintf("q8ZrLw2vN5tYx7Kp3-%d", w.documents)
	w.providers[provider].Add(oauthtest.Client{ID: id, Secret: oauth.NewSecret(secret), AccountID: "acc-" + provider})
	fields := map[string]string{"client_id": id, "client_secret": secret}
	if !staged {
		fields["provider"], fields["token_endpoint"] = provider, w.endpoints[provider]
	}
	raw, err := json.Marshal(fields)
	must(w.t, err)
	return string(raw)
}

// publish stores both connections of the pages, and has the refresher publish their tokens.
func (w *world) publish() {
	w.t.Helper()
	for _, connection := range []string{hotmartShop, kiwifyMain} {
		_, err := w.aws.PutSecret("oauth/"+connection, w.document(providerOf(connection), false))
		must(w.t, err)
	}
	w.sweep()
	w.token(hotmartShop)
	w.token(kiwifyMain)
}

func (w *world) sweep() {
	w.t.Helper()
	_, err := w.invoke(w.t.Context(), "chaveiro-refresher", []byte("{}"))
	must(w.t, err)
}

func providerOf(connection string) string {
	provider, _, _ := strings.Cut(connection, "/")
	return provider
}

func parameterName(connection string) string { return "/oauth/" + connection + "/access_token" }

// token is what is published for a connection.
func (w *world) token(connection string) string {
	w.t.Helper()
	p, ok := w.aws.Parameter(parameterName(connection))
	if !ok || p.Value.Reveal() == "" {
		w.t.Fatalf("%s has no token", connection)
	}
	return p.Value.Reveal()
}

// clientOf is the client that a published token was issued to.
func (w *world) clientOf(connection string) string {
	w.t.Helper()
	issued, _ := w.providers[providerOf(connection)].Inspect(w.token(connection))
	return issued.ClientID
}

// version is the value of the version of a secret with a stage.
func (w *world) version(connection, stage string) string {
	w.t.Helper()
	s, _ := w.aws.Secret("oauth/" + connection)
	return s.Version(stage).Value.Reveal()
}

// put writes a file into the folder where the programs run.
func (w *world) put(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	must(w.t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(w.t, os.WriteFile(file, []byte(text), 0o600))
}

// stored is a world without functions, in which two tokens are published as version 2. Its Lambda publishes another token, as the refresher
// does for a rejected version.
func stored(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, connection := range []string{hotmartShop, kiwifyMain} {
		for _, value := range []string{"the token of yesterday", "the token of today, of " + connection} {
			_, err := w.aws.WriteParameter(parameterName(connection), awstest.ParameterWrite{Type: "SecureString", Value: value})
			must(t, err)
		}
	}
	w.invoke = func(_ context.Context, _ string, event []byte) ([]byte, error) {
		var call struct{ Connections []string }
		err := json.Unmarshal(event, &call)
		for _, connection := range call.Connections {
			_, changed := w.aws.ChangeParameter(parameterName(connection), "a new token of "+connection)
			err = cmp.Or(err, changed)
		}
		return []byte(`{"counts":{"refreshed":1}}`), err
	}
	w.aws.ResetCalls()
	return w
}
