package refresh_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
)

func accountName(id string) string { return "/oauth/" + id + "/account_id" }

// accountIs fails the test unless the published account id of a connection is that of its client.
func (in *installation) accountIs(id string, version int64) {
	in.t.Helper()
	p, _ := in.aws.Parameter(accountName(id))
	if got, want := p.Value.Reveal(), "store-of-"+id; got != want || p.Version != version {
		in.t.Errorf("account of %s: %q in version %d, want %q in version %d", id, got, p.Version, want, version)
	}
}

// toRenewal waits until all tokens of Kiwify are due and forgets the calls so far.
func (in *installation) toRenewal() {
	time.Sleep(15 * time.Hour)
	in.aws.ResetCalls()
	in.events = nil
}

func TestAccountIDsAreReadTenACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(25, in.kiwify)
		in.sweep()
		for _, id := range ids {
			in.accountIs(id, 1)
		}
		in.toRenewal()
		if result := in.sweep(); result.Counts.Refreshed != len(ids) {
			t.Fatalf("%+v", result.Counts)
		}
		if read, wrote := in.aws.Count(awstest.GetParameters).Calls, in.puts(); read != 3 || wrote != len(ids) {
			t.Errorf("%d reads and %d writes for the renewal of %d tokens, want 3 and %d", read, wrote, len(ids), len(ids))
		}
		for _, id := range ids {
			in.accountIs(id, 1)
		}
	})
}

func TestAnAccountIDThatSomebodyChangedIsMendedWithTheNextToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(3, in.kiwify)
		in.sweep()
		in.toRenewal()
		must(t, in.aws.DropParameter(accountName(ids[0])))
		_, err := in.aws.ChangeParameter(accountName(ids[1]), "another")
		must(t, err)
		in.sweep()
		in.accountIs(ids[0], 1)
		in.accountIs(ids[1], 3)
		in.accountIs(ids[2], 1)
	})
}

func TestOneAccountIDThatCannotBeReadDoesNotKeepTheOthersFromBeingPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(12, in.kiwify)
		denied := ids[4]
		in.aws.Inject(awstest.Fault{Op: awstest.GetParameters, Name: accountName(denied), Effect: awstest.AccessDenied})
		if result := in.sweep(); result.Counts.Refreshed != len(ids) {
			t.Fatalf("%+v", result.Counts)
		}
		for _, id := range ids {
			if id != denied {
				in.accountIs(id, 1)
			}
		}
		var told []string
		for _, ev := range in.events {
			if ev.Kind == refresh.EventUnrecorded && strings.Contains(ev.Message, "account_id was not published: GetParameters "+accountName(denied)+": AccessDenied") {
				told = append(told, ev.Connection)
			}
		}
		if len(told) != 1 || told[0] != denied {
			t.Errorf("told as not published: %v, want %s once", told, denied)
		}
	})
}
