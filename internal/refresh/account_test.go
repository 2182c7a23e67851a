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

func TestAnAccountIDIsWrittenOnceAndNeverReadForARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(25, in.kiwify)
		in.sweep()
		for _, id := range ids {
			in.accountIs(id, 1)
		}
		in.toRenewal()
		if result := in.sweep(); result.Counts.Refreshed != len(ids) || in.puts() != len(ids) {
			t.Fatalf("%+v with %d writes", result.Counts, in.puts())
		}
		for _, id := range ids {
			in.accountIs(id, 1)
		}
	})
}

func TestAnAccountIDThatSomebodyChangedIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(3, in.kiwify)
		in.sweep()
		time.Sleep(5 * time.Minute)
		must(t, in.aws.DropParameter(accountName(ids[0])))
		_, err := in.aws.ChangeParameter(accountName(ids[1]), "another")
		must(t, err)
		in.sweep()
		in.accountIs(ids[0], 1)
		in.accountIs(ids[1], 3)
		in.accountIs(ids[2], 1)
		if in.kiwify.Total().Minted != 3 {
			t.Errorf("%d tokens, want 3: a wrong account id costs none", in.kiwify.Total().Minted)
		}
	})
}

func TestAnAccountIDThatCannotBeWrittenIsReportedAndKeepsNoTokenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(12, in.kiwify)
		denied := ids[4]
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Name: accountName(denied), Effect: awstest.ParameterVersionLimit})
		if result := in.sweep(); result.Counts.Refreshed != len(ids) {
			t.Fatalf("%+v", result.Counts)
		}
		for _, id := range ids {
			if id != denied {
				in.accountIs(id, 1)
			}
		}
		var reported []string
		for _, ev := range in.events {
			if ev.Kind == refresh.EventUnrecorded && strings.HasPrefix(ev.Message, "account_id was not published: ") && strings.Contains(ev.Message, "PutParameter "+accountName(denied)) {
				reported = append(reported, ev.Connection)
			}
		}
		if len(reported) != 1 || reported[0] != denied {
			t.Errorf("reported as not published: %v, want %s once", reported, denied)
		}
		in.aws.ClearFaults()
		in.toRenewal()
		in.sweep()
		in.accountIs(denied, 1)
	})
}
