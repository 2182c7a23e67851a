package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"
)

// sameObject compares plainObject with encoding/json.
func sameObject(t *testing.T, text []byte) (plain bool) {
	t.Helper()
	got, ok := plainObject(text)
	if !ok {
		return false // encoding/json decides
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var want map[string]any
	if err := dec.Decode(&want); err != nil {
		t.Fatalf("%q was read, encoding/json says %v", text, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("%q was read, and something follows", text)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n%#v\nencoding/json:\n%#v", text, got, want)
	}
	return true
}

// plainObjects are objects, or what somebody may take for one, and whether they are plain.
func plainObjects() map[string]bool {
	return map[string]bool{
		`{"access_token":"a.b.c","token_type":"bearer","expires_in":172799,"scope":"read write","jti":"7f-8"}`: true,
		"{\r\n\t\"access_token\" : \"a\" , \"expires_in\" : 1 }\n":                                             true,
		`{}`: true, `{"":""}`: true, `{"a":{"b":{"c":[1,"x",true,null,{},[]]}}}`: true, `{"a":1,"a":2}`: true, `{"a":{"b":1},"a":{"c":2}}`: true, `{"~ !":"{,:}[]#"}`: true,
		`{"n":[0,-0,1,-1,10,1.5,1e5,1E+5,1.25e-7,12345678901234567890,1e999]}`: true, `{"a":true,"b":false,"c":null}`: true,
		`{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}`: true, `{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}`: false,
		`{"a":"é"}`: false, `{"a":"\u0041"}`: false, `{"a":"\/"}`: false, `{"a\n":1}`: false, "{\"a\":\"\x7f\"}": false, "{\"a\":\"\xff\"}": false, "{\"a\":\"\t\"}": false,
		``: false, `{`: false, `}`: false, `[]`: false, `1`: false, `"a"`: false, `null`: false, `{"a"}`: false, `{"a":}`: false, `{"a":1,}`: false, `{,"a":1}`: false, `{"a" 1}`: false,
		`{"a":1 "b":2}`: false, `{"a":1]`: false, `{"a":[1}`: false, `{"a":[1,]}`: false, `{"a":[,1]}`: false, `{"a":[1 2]}`: false, `{"a":[`: false, `{"a":"b`: false, `{"a":"b"`: false,
		`{a:1}`: false, `{1:2}`: false, `{"a":nul}`: false, `{"a":nulls}`: false, `{"a":True}`: false, `{"a":+1}`: false, `{"a":01}`: false, `{"a":-}`: false, `{"a":.5}`: false, `{"a":1.}`: false,
		`{"a":1e}`: false, `{"a":1e+}`: false, `{"a":--1}`: false, `{"a":0x1}`: false, `{"a":1}}`: false, `{"a":1} x`: false, "{\"a\":1}\v": false, `{"a":NaN}`: false, `{"a":-Infinity}`: false,
	}
}

func TestAPlainObjectIsReadAsEncodingJSONReadsIt(t *testing.T) {
	t.Parallel()
	for text, want := range plainObjects() {
		if got := sameObject(t, []byte(text)); got != want {
			t.Errorf("%q is plain: %v, want %v", text, got, want)
		}
	}
	whole := []byte(`{"access_token":"a","n":[-1.5e+3,null,true,{"b":"c"}], "expires_in":17}`)
	for i := range whole { // cut off, and with each character another
		sameObject(t, whole[:i])
		for _, c := range []byte("\"\\,:{}[]0-9.eE+ xn\x00\x7f\xff") {
			changed := bytes.Clone(whole)
			changed[i] = c
			sameObject(t, changed)
			sameObject(t, append(append(bytes.Clone(whole[:i]), c), whole[i:]...))
		}
	}
}

// TestWhatIsKeptOfAnAnswerIsACopy: a scope that is kept must not keep the token that came with it.
func TestWhatIsKeptOfAnAnswerIsACopy(t *testing.T) {
	t.Parallel()
	body := []byte(`{"access_token":"token","scope":"read","n":12,"x":["y"]}`)
	fields, ok := plainObject(body)
	clear(body)
	want := map[string]any{"access_token": "token", "scope": "read", "n": json.Number("12"), "x": []any{"y"}}
	if !ok || !reflect.DeepEqual(fields, want) {
		t.Errorf("%v, %#v", ok, fields)
	}
}

func FuzzPlainObject(f *testing.F) {
	for text := range plainObjects() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { sameObject(t, text) })
}
