package readers_test

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// sessionToken is what Lambda gives a function in AWS_SESSION_TOKEN, and what the extension wants to see.
const sessionToken = "IQoJb3JpZ2luX2VjEXAMPLE"

// extension stands in for the AWS Parameters and Secrets Lambda Extension, a layer whose program exists on Lambda only. It obeys what AWS
// documents of it (docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html, read 2026-11-22): GET on
// /systemsmanager/parameters/get with the header X-Aws-Parameters-Secrets-Token, the name URL-encoded, withDecryption, the answer of
// GetParameter as JSON, a cache of 300 seconds. Which status an error has is not documented; here a missing header is 401, the rest 400.
type extension struct {
	client *ssm.Client
	now    func() time.Time

	mu    sync.Mutex
	cache map[string]cached
}

type cached struct {
	body []byte
	at   time.Time
}

const extensionCache = 300 * time.Second

func (e *extension) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Aws-Parameters-Secrets-Token")), []byte(sessionToken)) != 1 {
		http.Error(rw, "the header X-Aws-Parameters-Secrets-Token is missing or wrong", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/systemsmanager/parameters/get" || strings.Contains(r.URL.RawQuery, "/") {
		http.Error(rw, "not a request of the extension: is the name encoded?", http.StatusBadRequest)
		return
	}
	body, err := e.read(r)
	if err != nil {
		var failure smithy.APIError
		errors.As(err, &failure)
		http.Error(rw, failure.ErrorCode(), http.StatusBadRequest)
		return
	}
	_, _ = rw.Write(body)
}

func (e *extension) read(r *http.Request) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.cache[r.URL.RawQuery]; ok && e.now().Sub(c.at) < extensionCache {
		return c.body, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	answer, err := e.client.GetParameter(r.Context(), &ssm.GetParameterInput{
		Name: aws.String(query.Get("name")), WithDecryption: aws.Bool(query.Get("withDecryption") == "true"),
	})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"Parameter": answer.Parameter})
	if err == nil {
		e.cache[r.URL.RawQuery] = cached{body, e.now()}
	}
	return body, err
}

// startExtension serves the extension of a world and returns what Lambda tells a function of it.
func startExtension(t *testing.T, w *world) (env []string) {
	t.Helper()
	server := httptest.NewServer(&extension{client: w.aws.SSM(), now: time.Now, cache: map[string]cached{}})
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	must(t, err)
	return w.environ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT="+address.Port(), "AWS_SESSION_TOKEN="+sessionToken)
}

// functions are programs that print the token of a connection, read twice through the extension.
func functions() map[string]func(t *testing.T, w *world, env []string, connection string) ran {
	return map[string]func(t *testing.T, w *world, env []string, connection string) ran{
		"Node": func(t *testing.T, w *world, env []string, connection string) ran {
			t.Helper()
			program, text := nodeProgram(t), snippet(t, "js extension")
			w.put("main.mjs", text+"const c = "+quoted(connection)+";\nconsole.log(JSON.stringify([await accessToken(c), await accessToken(c)]));\n")
			return w.exec(env, program, "main.mjs")
		},
		"Python": func(t *testing.T, w *world, env []string, connection string) ran {
			t.Helper()
			program, text := find(t, "python3", "Debian package python3"), snippet(t, "python extension")
			w.put("main.py", text+"\nc = "+quoted(connection)+"\nprint(json.dumps([access_token(c), access_token(c)]))\n")
			return w.exec(env, program, "main.py")
		},
	}
}

func TestAFunctionReadsThroughTheExtension(t *testing.T) {
	for name, run := range functions() {
		t.Run(name, func(t *testing.T) {
			w := stored(t)
			env := startExtension(t, w)
			for _, connection := range []string{hotmartShop, kiwifyMain} {
				w.aws.ResetCalls()
				wantTokens(t, run(t, w, env, connection), w.token(connection), w.token(connection))
				w.wantReads(1, "two reads, the second out of the extension's cache")
			}
		})
	}
}

func TestAFunctionSaysWhatTheExtensionRefuses(t *testing.T) {
	for name, run := range functions() {
		t.Run(name, func(t *testing.T) {
			w := stored(t)
			env := startExtension(t, w)
			wantFailure(t, run(t, w, env, "hotmart/loja-z"), "400")
			wantFailure(t, run(t, w, append(env, "AWS_SESSION_TOKEN=another"), hotmartShop), "401")
			w.aws.Inject(awstest.Fault{Op: awstest.GetParameter, Effect: awstest.AccessDenied})
			wantFailure(t, run(t, w, env, hotmartShop), "400")
		})
	}
}
