package scenario

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// view is a thing as conditions see it: every field that it can have, as text, with instants as T+….
type view map[string]string

// viewOf takes the fields of a struct by their JSON names, or by their own in lower case.
func (w *World) viewOf(v any) view {
	out := view{}
	rv := reflect.Indirect(reflect.ValueOf(v))
	for i := range rv.NumField() {
		f := rv.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		out[name] = w.show(rv.Field(i).Interface())
	}
	return out
}

func (w *World) show(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return w.clock(v)
	case []string:
		return strings.Join(v, ", ")
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return w.plain(fmt.Sprint(v))
}

// clock writes an instant as T+1h30m: since the World began.
func (w *World) clock(t time.Time) string {
	d := w.Since(t)
	if d < 0 {
		return "T-" + short(-d)
	}
	return "T+" + short(d)
}

// short writes 24h for 24h0m0s and 8h30s for 8h0m30s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return strings.Replace(s, "h0m", "h", 1)
}

var (
	instant   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	versionID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32,64}`)
)

// plain replaces instants by T+… and version ids of secrets by v1, v2, ….
func (w *World) plain(text string) string {
	text = instant.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return w.clock(t)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return versionID.ReplaceAllStringFunc(text, func(id string) string {
		if v := w.versions[id]; v != "" {
			return v
		}
		return id
	})
}

// tokenView is what the state table says of a token, with the names of its attributes.
func (w *World) tokenView(s lifecycle.State) view {
	t := s.Token
	if t == nil {
		return view{}
	}
	return w.viewOf(struct {
		Provider   string    `json:"provider"`
		Endpoint   string    `json:"endpoint"`
		IssuedAt   time.Time `json:"issued_at"`
		ExpiresAt  time.Time `json:"expires_at"`
		RenewAt    time.Time `json:"renew_at"`
		Scope      string    `json:"scope"`
		JTI        string    `json:"jti"`
		Account    string    `json:"account"`
		TokenID    string    `json:"token_id"`
		Shape      string    `json:"shape"`
		Credential string    `json:"credential"`
		Stage      string    `json:"stage"`
		Since      time.Time `json:"since"`
		Current    string    `json:"current"`
	}{t.Provider, t.Endpoint, t.IssuedAt, t.ExpiresAt, t.RenewAt, t.Scope, t.JTI, t.Account, t.TokenID, t.Shape, t.Credential, t.Stage, t.Since, s.Current})
}

// failureView is what the state table says of a failure, with the names of its attributes.
func (w *World) failureView(f *lifecycle.Failure) view {
	if f == nil {
		return view{}
	}
	return w.viewOf(struct {
		Class      lifecycle.Class `json:"class"`
		Code       string          `json:"code"`
		Provider   string          `json:"provider"`
		Endpoint   string          `json:"endpoint"`
		HTTPStatus int             `json:"http_status"`
		Attempts   int             `json:"attempts"`
		FirstAt    time.Time       `json:"first_at"`
		LastAt     time.Time       `json:"last_at"`
		NextAt     time.Time       `json:"next_at"`
		RetryAt    time.Time       `json:"retry_at"`
		Current    string          `json:"current"`
	}{f.Class, f.Code, f.Provider, f.Endpoint, f.HTTPStatus, f.Attempts, f.FirstAt, f.LastAt, f.NextAt, f.RetryAt, f.Current})
}

// parameterView is a parameter with what the state table says of it. Its value is shown unless it is a token, which is named.
func (w *World) parameterView(connection string, kind store.Kind) (view, bool) {
	p, ok := w.AWS.Parameter(ParameterName(connection, kind))
	if !ok {
		return nil, false
	}
	out := view{}
	switch kind {
	case store.KindToken:
		out = w.tokenView(w.State(connection))
		out["is"], _ = w.Token(connection)
	case store.KindFailure:
		out = w.failureView(w.State(connection).Failure)
		out["text"] = w.plain(p.Value.Reveal())
	case store.KindAccount:
		out["text"] = p.Value.Reveal()
	}
	out["version"], out["type"], out["tier"], out["key"] = strconv.FormatInt(p.Version, 10), p.Type, p.Tier, p.KeyID
	out["description"] = w.plain(p.Description)
	return out, true
}

// meets reports the first condition that a view does not meet, nil when it meets all.
func (v view) meets(all []condition) error {
	for _, c := range all {
		got, known := v[c.field]
		if !known {
			return fmt.Errorf("there is no field %q; there are %s", c.field, strings.Join(sortedKeys(v), ", "))
		}
		ok, err := compare(got, c.op, c.want)
		if err != nil {
			return fmt.Errorf("%s: %w", c.field, err)
		}
		if !ok {
			return fmt.Errorf("%s is %q, want %s %q", c.field, got, c.op, c.want)
		}
	}
	return nil
}

func compare(got, op, want string) (bool, error) {
	switch op {
	case "=":
		return got == want, nil
	case "!=":
		return got != want, nil
	case "~":
		return want != "" && strings.Contains(got, want), nil
	case "!~":
		if want == "" {
			return false, fmt.Errorf("nothing is asked for")
		}
		return !strings.Contains(got, want), nil
	}
	a, err := measure(got)
	if err != nil {
		return false, err
	}
	b, err := measure(want)
	if err != nil {
		return false, err
	}
	if op == ">=" {
		return a >= b, nil
	}
	return a <= b, nil
}

// measure reads a number, a duration or T+duration.
func measure(s string) (float64, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, nil
	}
	text := s
	if after, ok := strings.CutPrefix(s, "T"); ok {
		text = after
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no number, duration or T+duration", s)
	}
	return d.Seconds(), nil
}
