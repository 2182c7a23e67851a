package connection

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// sameDocument compares readPlain with encoding/json.
func sameDocument(t *testing.T, raw []byte) (plain bool) {
	t.Helper()
	got, ok := readPlain(raw)
	if !ok {
		return false // encoding/json decides
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	want, err := readFields(dec)
	if err != nil {
		t.Fatalf("%q was read, encoding/json says %v", raw, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("%q was read, and something follows", raw)
	}
	if len(got.names)+len(want.names) > 0 && !reflect.DeepEqual(got.names, want.names) || !reflect.DeepEqual(got.fields, want.fields) {
		t.Fatalf("%q:\n%q\nencoding/json:\n%q", raw, got, want)
	}
	for name, value := range got.fields {
		text, ok := unquote(value)
		var s string
		if err := json.Unmarshal(value, &s); ok != (err == nil) || ok && text != s {
			t.Fatalf("%s of %q is %q, %v; encoding/json: %q, %v", name, raw, text, ok, s, err)
		}
	}
	return true
}

func plainDocuments() map[string]bool {
	return map[string]bool{
		`{"provider":"hotmart","client_id":"a","client_secret":"b"}`:     true,
		"{\n  \"provider\" : \"hotmart\",\r\n\t\"client_id\":\"a\"\n}\n": true,
		`{}`: true, ` { } `: true, `{"a":1}`: true, `{"a":-1.5E+3,"b":true,"c":false,"d":null}`: true, `{"":""}`: true, `{"~ !":"{,:}[]"}`: true,
		`{"a":"é"}`: false, `{"a":"\u0041"}`: false, `{"a\n":1}`: false, `{"a":"` + "\x7f" + `"}`: false, `{"a":"` + "\t" + `"}`: false, `{"a":[]}`: false, `{"a":{}}`: false,
		`{"a":1,"a":2}`: false, `{"a":1,}`: false, `{,"a":1}`: false, `{"a"}`: false, `{"a":}`: false, `{a:1}`: false, `{"a":nul}`: false, `{"a":01}`: false, `{"a":1e}`: false,
		`{"a":1}}`: false, `{"a":1} x`: false, `{"a":1 "b":2}`: false, `{"a":"b`: false, `{`: false, ``: false, `[]`: false, `"a"`: false, `null`: false, `{"a":truefalse}`: false,
		"{\"a\":1}\v": false, "\ufeff{}": false, `{1:2}`: false, `{true:1}`: false, `{"a":1,"b"`: false, `{"a":- 1}`: false,
	}
}

func TestAPlainDocumentIsReadAsEncodingJSONReadsIt(t *testing.T) {
	for text, want := range plainDocuments() {
		if got := sameDocument(t, []byte(text)); got != want {
			t.Errorf("%q is plain: %v, want %v", text, got, want)
		}
	}
}

func FuzzReadPlain(f *testing.F) {
	for text := range plainDocuments() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { sameDocument(t, raw) })
}

// TestASecretIsFoundInAValueOfItsLength: shorter ones are not looked at.
func TestASecretIsFoundInAValueOfItsLength(t *testing.T) {
	catalogue, err := provider.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"the secret":                        `{"provider":"generic","token_endpoint":"https://a.example/t","client_id":"id-of-the-client","client_secret":"k3y-of-9","audience":"k3y-of-9"}`,
		"the secret in capitals":            `{"provider":"generic","token_endpoint":"https://a.example/t","client_id":"id-of-the-client","client_secret":"k3y-of-9","audience":"K3Y-OF-9"}`,
		"the secret as a URL holds it":      `{"provider":"generic","token_endpoint":"https://a.example/t","client_id":"id-of-the-client","client_secret":"k3y+of/9","audience":"k3y%2Bof%2F9"}`,
		"the provider's name as the secret": `{"provider":"hotmart","client_id":"id-of-the-client","client_secret":"hotmart"}`,
		"a Basic value, not its secret":     `{"provider":"hotmart","client_id":"a","client_secret":"bcdefghij","basic_token":"YTpiY2RlZmdoaWo=","scope":"YTpiY2RlZmdoaWo"}`,
	} {
		if _, err := Parse("a/b", oauth.NewSecret(text), catalogue, Options{}); err == nil {
			t.Errorf("%s stands in another field, and was taken", name)
		}
	}
}
