package refresh

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseCall(t *testing.T) {
	for name, c := range map[string]struct {
		event string
		want  Call
	}{
		"nothing at all":                       {"", Call{}},
		"blanks":                               {" \n\t", Call{}},
		"null":                                 {" null ", Call{}},
		"an empty object":                      {"{}", Call{}},
		"an EventBridge event":                 {`{"version":"0","source":"aws.scheduler","detail-type":"Scheduled Event","detail":{},"resources":[]}`, Call{}},
		"an EventBridge event with our fields": {`{"source":"a","detail-type":"b","force":true}`, Call{}},
		"a plan":                               {`{"dry_run":true}`, Call{DryRun: true}},
		"one connection":                       {`{"connections":["hotmart/loja-a"]}`, Call{Connections: []string{"hotmart/loja-a"}}},
		"two, one of them twice":               {`{"connections":["b","a","b"]}`, Call{Connections: []string{"b", "a"}}},
		"forced":                               {`{"connections":["a"],"force":true}`, Call{Connections: []string{"a"}, Force: true}},
		"all of it, planned":                   {`{"connections":["a"],"force":true,"dry_run":true}`, Call{Connections: []string{"a"}, Force: true, DryRun: true}},
		"a rejected version":                   {`{"connections":["a"],"rejected_version":7}`, Call{Connections: []string{"a"}, RejectedVersion: 7}},
		"the largest version there can be":     {`{"connections":["a"],"rejected_version":9223372036854775807}`, Call{Connections: []string{"a"}, RejectedVersion: 1<<63 - 1}},
		"force that says no":                   {`{"connections":["a"],"force":false}`, Call{Connections: []string{"a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCall([]byte(c.event))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("ParseCall = %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseCallRefusesByTheFieldsName(t *testing.T) {
	const (
		object   = `event: must be a JSON object, null, or an EventBridge event`
		noJSON   = `event: is not valid JSON`
		names    = `event: field "connections": must be a list of connection names, like ["hotmart/loja-a"]`
		flag     = `event: field "force": must be true or false`
		dry      = `event: field "dry_run": must be true or false`
		version  = `event: field "rejected_version": must be a whole number from 1, the version that the consumer read`
		exactly1 = `event: field "rejected_version": needs "connections" with exactly one name`
		unknown  = `is unknown; known are connections, force, dry_run, rejected_version`
	)
	for name, c := range map[string]struct{ event, want string }{
		"a list":                          {`[]`, object},
		"a text":                          {`"refresh"`, object},
		"a number":                        {`7`, object},
		"no JSON":                         {`{connections}`, noJSON},
		"cut off":                         {`{"connections":["a"`, noJSON},
		"two objects":                     {`{}{}`, noJSON},
		"connections as a text":           {`{"connections":"hotmart/loja-a"}`, names},
		"connections of null":             {`{"connections":null}`, names},
		"connections as an object":        {`{"connections":{"a":1}}`, names},
		"connections with a number":       {`{"connections":["a",7]}`, names},
		"no connection in the list":       {`{"connections":[]}`, `event: field "connections": must not be empty: leave the field out to renew all that is due`},
		"an empty name":                   {`{"connections":["a",""]}`, `event: field "connections": holds an empty name`},
		"a blank name":                    {`{"connections":["  "]}`, `event: field "connections": holds an empty name`},
		"a null name":                     {`{"connections":[null]}`, `event: field "connections": holds an empty name`},
		"force as a text":                 {`{"connections":["a"],"force":"true"}`, flag},
		"force as a number":               {`{"connections":["a"],"force":1}`, flag},
		"force of null":                   {`{"connections":["a"],"force":null}`, flag},
		"dry_run as a text":               {`{"dry_run":"yes"}`, dry},
		"rejected_version as a text":      {`{"connections":["a"],"rejected_version":"7"}`, version},
		"rejected_version with a point":   {`{"connections":["a"],"rejected_version":7.5}`, version},
		"rejected_version 0":              {`{"connections":["a"],"rejected_version":0}`, version},
		"rejected_version below 0":        {`{"connections":["a"],"rejected_version":-1}`, version},
		"rejected_version of null":        {`{"connections":["a"],"rejected_version":null}`, version},
		"rejected_version too large":      {`{"connections":["a"],"rejected_version":9223372036854775808}`, version},
		"rejected_version of all":         {`{"rejected_version":7}`, exactly1},
		"rejected_version of two":         {`{"connections":["a","b"],"rejected_version":7}`, exactly1},
		"rejected_version, forced":        {`{"connections":["a"],"rejected_version":7,"force":true}`, `event: field "rejected_version": cannot stand beside "force": leave one of them out`},
		"force for all":                   {`{"force":true}`, `event: field "force": needs "connections": name what is to be renewed`},
		"connection":                      {`{"connection":"a"}`, `event: field "connection": is unknown; did you mean "connections"?`},
		"Connections":                     {`{"Connections":["a"]}`, `event: field "Connections": is unknown; did you mean "connections"?`},
		"dryRun":                          {`{"dryRun":true}`, `event: field "dryRun": is unknown; did you mean "dry_run"?`},
		"dry-run":                         {`{"dry-run":true}`, `event: field "dry-run": is unknown; did you mean "dry_run"?`},
		"rejectedVersion":                 {`{"rejectedVersion":7}`, `event: field "rejectedVersion": is unknown; did you mean "rejected_version"?`},
		"rejected":                        {`{"rejected":7}`, `event: field "rejected": is unknown; did you mean "rejected_version"?`},
		"something else":                  {`{"tenant":"a"}`, `event: field "tenant": ` + unknown},
		"a name of nothing":               {`{"":1}`, `event: field "": ` + unknown},
		"a source without a detail-type":  {`{"source":"aws.scheduler"}`, `event: field "source": ` + unknown},
		"a source that is no text":        {`{"source":1,"detail-type":"x"}`, `event: field "detail-type": ` + unknown},
		"a detail-type that is no text":   {`{"source":"x","detail-type":null}`, `event: field "detail-type": ` + unknown},
		"of two faults the first by name": {`{"force":"x","connections":7}`, names},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCall([]byte(c.event))
			if err == nil || err.Error() != c.want {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
			if err != nil && !reflect.DeepEqual(got, Call{}) && got.RejectedVersion == 0 && !got.Force {
				t.Errorf("a call beside the error: %+v", got)
			}
		})
	}
}

func TestALongFieldNameIsCutInTheMessage(t *testing.T) {
	_, err := ParseCall([]byte(`{"` + strings.Repeat("x", 5000) + `":1}`))
	if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "xxx…") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseCall(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"connections":["a"],"force":true,"dry_run":true}`, `{"connections":["a"],"rejected_version":7}`,
		`{"source":"a","detail-type":"b"}`, `{"connection":"a"}`, `{"connections":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		call, err := ParseCall(event)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "event: ") || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 600 {
				t.Fatalf("message %q", err)
			}
			return
		}
		switch {
		case call.Connections != nil && len(call.Connections) == 0:
			t.Fatal("an empty list was taken: it would be a run over nothing")
		case call.Force && call.Connections == nil:
			t.Fatal("all connections are forced")
		case call.RejectedVersion < 0, call.RejectedVersion != 0 && (len(call.Connections) != 1 || call.Force):
			t.Fatalf("%+v", call)
		}
		seen := map[string]bool{}
		for _, n := range call.Connections {
			if strings.TrimSpace(n) == "" || seen[n] {
				t.Fatalf("names %q", call.Connections)
			}
			seen[n] = true
		}
	})
}
