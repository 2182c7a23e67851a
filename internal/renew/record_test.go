package renew_test

import (
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode/utf8"

	"github.com/chaveiro/chaveiro/internal/renew"
)

func aRecord() renew.Record {
	return renew.Record{
		V: 1, Provider: "kiwify", Endpoint: "public-api.kiwify.com",
		IssuedAt:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		ExpiresAt: time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC),
		RenewAt:   time.Date(2026, 1, 2, 13, 0, 2, 0, time.UTC),
		Scope:     "stats products", JTI: "7f", StoreID: "store-1",
		TokenID: "0123456789abcdef", Shape: "89abcdef",
		Credential: "11111111-1111-1111-1111-111111111111", Stage: "AWSCURRENT", Current: "22222222-2222-2222-2222-222222222222",
		Since: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC), Seq: 8,
	}
}

func aFailure() renew.Failure {
	return renew.Failure{
		V: 1, Class: "credentials", Code: "invalid_client", Provider: "kiwify", Endpoint: "public-api.kiwify.com", HTTPStatus: 401, Attempts: 3,
		FirstAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		LastAt:  time.Date(2026, 1, 2, 3, 19, 5, 0, time.UTC),
		NextAt:  time.Date(2026, 1, 2, 4, 4, 5, 0, time.UTC),
		Current: "22222222-2222-2222-2222-222222222222",
	}
}

func TestRecordIsTheContractsTextFieldByField(t *testing.T) {
	const want = `{"v":1,"provider":"kiwify","endpoint":"public-api.kiwify.com","issued_at":"2026-01-02T03:04:05Z",` +
		`"expires_at":"2026-01-03T03:04:05Z","renew_at":"2026-01-02T13:00:02Z","scope":"stats products","jti":"7f","store_id":"store-1",` +
		`"token_id":"0123456789abcdef","shape":"89abcdef","credential":"11111111-1111-1111-1111-111111111111","stage":"AWSCURRENT",` +
		`"current":"22222222-2222-2222-2222-222222222222","since":"2025-12-01T00:00:00Z","seq":8}`
	r := aRecord()
	r.V = 0 // the encoder knows its version
	if got := r.Encode(); got != want {
		t.Errorf("Encode =\n%s\nwant\n%s", got, want)
	}
}

func TestFailureIsTheContractsTextFieldByField(t *testing.T) {
	const want = `{"v":1,"class":"credentials","code":"invalid_client","provider":"kiwify","endpoint":"public-api.kiwify.com","http_status":401,` +
		`"attempts":3,"first_at":"2026-01-02T03:04:05Z","last_at":"2026-01-02T03:19:05Z","next_at":"2026-01-02T04:04:05Z",` +
		`"current":"22222222-2222-2222-2222-222222222222"}`
	f := aFailure()
	f.V = 0
	if got := f.Encode(); got != want {
		t.Errorf("Encode =\n%s\nwant\n%s", got, want)
	}
	f.RetryAt = time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)
	if got, want := f.Encode(), `"next_at":"2026-01-02T04:04:05Z","retry_at":"2026-01-02T05:00:00Z","current"`; !strings.Contains(got, want) {
		t.Errorf("Encode = %s, want %s in it", got, want)
	}
}

func TestWhatIsEncodedIsReadBackTheSame(t *testing.T) {
	record, failure := aRecord(), aFailure()
	failure.RetryAt = failure.NextAt
	gotRecord, err := renew.ParseRecord(record.Encode())
	if err != nil || !reflect.DeepEqual(*gotRecord, record) {
		t.Errorf("ParseRecord = %+v, %v, want %+v", gotRecord, err, record)
	}
	gotFailure, err := renew.ParseFailure(failure.Encode())
	if err != nil || !reflect.DeepEqual(*gotFailure, failure) {
		t.Errorf("ParseFailure = %+v, %v, want %+v", gotFailure, err, failure)
	}
	if got := record.Lifetime(); got != 24*time.Hour {
		t.Errorf("Lifetime = %s", got)
	}
}

func TestHTMLLettersAreNotEscapedAndNothingIsIndented(t *testing.T) {
	r := aRecord()
	r.Scope = "a&b <c>"
	if text := r.Encode(); !strings.Contains(text, `"scope":"a&b <c>"`) || strings.ContainsAny(text, "\n\t") {
		t.Errorf("Encode = %s", text)
	}
}

func TestARecordNeverExceedsItsRoom(t *testing.T) {
	host := strings.Repeat("h", 63) + "." + strings.Repeat("o", 63) + "." + strings.Repeat("s", 63) + "." + strings.Repeat("t", 61) + ":65535"
	versionID := strings.Repeat("v", 64)
	for name, c := range map[string]struct {
		change func(r *renew.Record)
		check  func(r *renew.Record) bool
	}{
		"a scope that fits stays": {
			func(r *renew.Record) { r.Scope = strings.Repeat("s", 300) },
			func(r *renew.Record) bool { return len(r.Scope) == 300 && r.ScopeSHA256 == "" },
		},
		"a scope that does not fit becomes its hash": {
			func(r *renew.Record) { r.Scope = strings.Repeat("scope ", 1000) },
			func(r *renew.Record) bool { return r.Scope == "" && len(r.ScopeSHA256) == 64 },
		},
		"a jti of 64 characters stays": {
			func(r *renew.Record) { r.JTI = strings.Repeat("j", 64) },
			func(r *renew.Record) bool { return len(r.JTI) == 64 },
		},
		"a jti of 64 characters of two bytes stays": {
			func(r *renew.Record) { r.JTI = strings.Repeat("ã", 64) },
			func(r *renew.Record) bool { return utf8.RuneCountInString(r.JTI) == 64 },
		},
		"a jti of 65 becomes its hash": {
			func(r *renew.Record) { r.JTI = strings.Repeat("j", 65) },
			func(r *renew.Record) bool { return r.JTI == "7d8531b950dcc0ef" },
		},
		"a store of 65 becomes its hash": {
			func(r *renew.Record) { r.StoreID = strings.Repeat("j", 65) },
			func(r *renew.Record) bool { return r.StoreID == "7d8531b950dcc0ef" },
		},
		"everything huge": {
			func(r *renew.Record) {
				r.Scope, r.JTI, r.StoreID = strings.Repeat("s ", 5000), strings.Repeat("j", 5000), strings.Repeat("i", 5000)
				r.Endpoint, r.Credential, r.Current = host, versionID, versionID
			},
			func(r *renew.Record) bool { return r.Endpoint == host && r.Current == versionID && len(r.JTI) == 16 },
		},
		"control characters, which take six in JSON": {
			func(r *renew.Record) {
				r.Scope, r.JTI, r.StoreID = "", strings.Repeat("\x01", 64), strings.Repeat("\x7f\xff", 32)
				r.Endpoint, r.Credential, r.Current = host, versionID, versionID
			},
			func(r *renew.Record) bool { return r.ScopeSHA256 == "" && len(r.JTI) == 16 && len(r.StoreID) == 16 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := aRecord()
			c.change(&r)
			text := r.Encode()
			if len(text) == 0 || len(text) > renew.MaxRecord {
				t.Fatalf("%d characters: %s", len(text), text)
			}
			back, err := renew.ParseRecord(text)
			if err != nil {
				t.Fatal(err)
			}
			if !c.check(back) {
				t.Errorf("not as it should be: %s", text)
			}
			if !back.SameScope(r.Scope) || !back.SameStore(r.StoreID) {
				t.Error("the record does not know its own scope or store again")
			}
		})
	}
}

func TestAScopeIsKeptUpToTheLastCharacterThatFits(t *testing.T) {
	r := aRecord()
	r.Scope = "s"
	room := renew.MaxRecord - len(r.Encode()) + 1
	r.Scope = strings.Repeat("s", room)
	if text := r.Encode(); len(text) != renew.MaxRecord || strings.Contains(text, "scope_sha256") {
		t.Errorf("a record of exactly %d characters: %d, %s", renew.MaxRecord, len(text), text)
	}
	r.Scope += "s"
	if text := r.Encode(); len(text) >= renew.MaxRecord || !strings.Contains(text, `"scope_sha256":"`) || strings.Contains(text, `"scope":`) {
		t.Errorf("a record of one more: %d, %s", len(text), text)
	}
}

func TestAnyTextsOfAProviderLeaveARecordThatCanBeRead(t *testing.T) {
	holds := func(scope, jti, store string) bool {
		r := aRecord()
		r.Scope, r.JTI, r.StoreID = scope, jti, store
		text := r.Encode()
		back, err := renew.ParseRecord(text)
		return len(text) <= renew.MaxRecord && err == nil && back.Seq == r.Seq
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func TestUnreadableRecords(t *testing.T) {
	good := aRecord()
	change := func(old, repl string) string { return strings.Replace(good.Encode(), old, repl, 1) }
	for name, text := range map[string]string{
		"empty, as a parameter without a Description": "",
		"a person's words":                            "do not touch, ask Ana",
		"null":                                        "null",
		"a list":                                      "[]",
		"an empty object":                             "{}",
		"cut off":                                     good.Encode()[:200],
		"something behind it":                         good.Encode() + "x",
		"a newer version":                             change(`"v":1`, `"v":2`),
		"version 0":                                   change(`"v":1`, `"v":0`),
		"a version in words":                          change(`"v":1`, `"v":"1"`),
		"no date of issue":                            change(`"issued_at":"2026-01-02T03:04:05Z",`, ""),
		"no end":                                      change(`"expires_at":"2026-01-03T03:04:05Z",`, ""),
		"no date of renewal":                          change(`"renew_at":"2026-01-02T13:00:02Z",`, ""),
		"an end before the beginning":                 change("2026-01-03T", "2025-01-03T"),
		"an end at the beginning":                     change("2026-01-03T", "2026-01-02T"),
		"a date that is none":                         change("2026-01-03T", "2026-13-03T"),
		"a sequence in words":                         change(`"seq":8`, `"seq":"8"`),
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := renew.ParseRecord(text); err == nil || r != nil {
				t.Errorf("ParseRecord = %+v, %v, want an error", r, err)
			} else if !strings.HasPrefix(err.Error(), "unreadable record: ") {
				t.Errorf("error %q", err)
			} else if strings.Contains(err.Error(), "Ana") {
				t.Errorf("the error repeats what was stored: %q", err)
			}
		})
	}
}

func TestANewerVersionIsNamed(t *testing.T) {
	_, err := renew.ParseRecord(`{"v":7}`)
	if err == nil || err.Error() != "unreadable record: version 7, this program knows 1" {
		t.Errorf("error %v", err)
	}
}

func TestUnreadableFailures(t *testing.T) {
	good := aFailure()
	change := func(old, repl string) string { return strings.Replace(good.Encode(), old, repl, 1) }
	for name, text := range map[string]string{
		"empty":           "",
		"no JSON":         "{",
		"a newer version": change(`"v":1`, `"v":2`),
		"no class":        change(`"class":"credentials",`, ""),
		"no first_at":     change(`"first_at":"2026-01-02T03:04:05Z",`, ""),
		"no last_at":      change(`"last_at":"2026-01-02T03:19:05Z",`, ""),
		"attempts text":   change(`"attempts":3`, `"attempts":"3"`),
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := renew.ParseFailure(text); err == nil || f != nil {
				t.Errorf("ParseFailure = %+v, %v, want an error", f, err)
			}
		})
	}
}

func TestFieldsOfALaterProgramOfTheSameVersionAreIgnored(t *testing.T) {
	good := aRecord()
	if _, err := renew.ParseRecord(strings.Replace(good.Encode(), `{"v":1,`, `{"v":1,"colour":"blue",`, 1)); err != nil {
		t.Error(err)
	}
}

func TestSameStore(t *testing.T) {
	long := strings.Repeat("s", 65)
	for name, c := range map[string]struct {
		recorded, now string
		want          bool
	}{
		"the same":                               {"a", "a", true},
		"another":                                {"a", "b", false},
		"a record without one says nothing":      {"", "b", true},
		"a token without one says nothing":       {"a", "", true},
		"a long one that was not encoded yet":    {long, long, true},
		"a long one, recorded by its hash":       {"", long, true},
		"another long one":                       {long, long + "s", false},
		"the beginning of it is not the same":    {"ab", "a", false},
		"upper and lower case are not the same":  {"A", "a", false},
		"a number is compared as it was written": {"01", "1", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := renew.Record{StoreID: c.recorded}
			if got := r.SameStore(c.now); got != c.want {
				t.Errorf("SameStore = %t, want %t", got, c.want)
			}
		})
	}
}

func TestSameScope(t *testing.T) {
	hashed := aRecord()
	hashed.Scope = strings.Repeat("a ", 1000)
	back, err := renew.ParseRecord(hashed.Encode())
	if err != nil {
		t.Fatal(err)
	}
	plain := aRecord()
	for name, c := range map[string]struct {
		record  renew.Record
		granted string
		want    bool
	}{
		"the same":                   {plain, "stats products", true},
		"another order":              {plain, "products stats", true},
		"one more":                   {plain, "stats products sales", false},
		"one less":                   {plain, "stats", false},
		"none":                       {plain, "", false},
		"a hashed one, the same":     {*back, hashed.Scope, true},
		"a hashed one, another text": {*back, hashed.Scope + "b", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.record.SameScope(c.granted); got != c.want {
				t.Errorf("SameScope = %t, want %t", got, c.want)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	good := aRecord()
	f.Add(good.Encode())
	f.Add("")
	f.Add(`{"v":1,"issued_at":"0000-01-01T00:00:00Z","expires_at":"9999-12-31T23:59:59-23:59","renew_at":"2026-01-01T00:00:00+03:00"}`)
	f.Add(`{"v":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := renew.ParseRecord(text)
		if err != nil {
			if r != nil {
				t.Fatal("a record beside an error")
			}
			return
		}
		if r.Lifetime() <= 0 || r.RenewAt.IsZero() {
			t.Fatalf("a record whose times make no sense was taken: %+v", r)
		}
		r.SameScope("a b")
		r.SameStore("a")
		again := r.Encode()
		if len(r.Provider)+len(r.Endpoint)+len(r.TokenID)+len(r.Shape)+len(r.Credential)+len(r.Stage)+len(r.Current)+len(r.ScopeSHA256) < 60 && len(again) > renew.MaxRecord {
			t.Fatalf("%d characters: %s", len(again), again)
		}
		back, err := renew.ParseRecord(again)
		if err != nil || !back.ExpiresAt.Equal(r.ExpiresAt) || back.Seq != r.Seq || back.Current != r.Current {
			t.Fatalf("%q came back as %+v, %v", again, back, err)
		}
		if twice := back.Encode(); twice != again {
			t.Fatalf("encoding is not stable: %q, then %q", again, twice)
		}
	})
}

func FuzzParseFailure(f *testing.F) {
	good := aFailure()
	f.Add(good.Encode())
	f.Add("")
	f.Add(`{"v":1,"class":"x","first_at":"2026-01-01T00:00:00+03:00","last_at":"2026-01-01T00:00:00Z","attempts":-9}`)
	f.Fuzz(func(t *testing.T, text string) {
		failure, err := renew.ParseFailure(text)
		if err != nil {
			if failure != nil {
				t.Fatal("a failure beside an error")
			}
			return
		}
		again := failure.Encode()
		back, err := renew.ParseFailure(again)
		if err != nil || back.Attempts != failure.Attempts || !back.NextAt.Equal(failure.NextAt) || back.Class != failure.Class {
			t.Fatalf("%q came back as %+v, %v", again, back, err)
		}
	})
}
