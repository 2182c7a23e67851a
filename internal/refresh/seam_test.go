package refresh_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const seamShop = "kiwify/main"

// mintWith fetches a token with AWSCURRENT, as a rotator does.
func (in *installation) mintWith(id string) refresh.Mint {
	in.t.Helper()
	config := in.refresherConfig()
	secret, err := config.Secrets.Describe(in.t.Context(), id)
	must(in.t, err)
	current := secret.Stages[refresh.StageCurrent]
	doc, err := config.Secrets.ReadVersion(in.t.Context(), id, current)
	must(in.t, err)
	conn, err := connection.Parse(id, doc.Value, config.Catalogue, connection.Options{})
	must(in.t, err)
	x, err := config.Exchanger.TokenWithRetry(in.t.Context(), conn.TokenRequest(), oauth.Retry{Attempts: 1})
	must(in.t, err)
	return refresh.Mint{Connection: conn, Document: doc, Token: x.Token, Stage: refresh.StageCurrent, Current: current}
}

// seam runs a test of the seam with one connection.
func seam(t *testing.T, f func(in *installation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		in.connect(seamShop, in.kiwify)
		f(in)
	})
}

func TestSeamPublishesLikeASweep(t *testing.T) {
	seam(t, func(in *installation) {
		in.kiwify.InjectFor("client-of-"+seamShop, oauthtest.Status(503).Times(8))
		in.sweep()
		if in.failure(seamShop) == nil {
			t.Fatal("no failure is recorded")
		}
		in.kiwify.ClearFaults()
		m := in.mintWith(seamShop)
		got, err := in.refresher().Publish(in.t.Context(), m)
		must(t, err)
		state, rec := in.token(seamShop)
		if rec == nil || rec.TokenID != m.Token.ID() || rec.Seq != state.Version || got.Version != state.Version || got.Credential != m.Current || rec.Stage != refresh.StageCurrent {
			t.Errorf("%+v, %+v", got, rec)
		}
		if in.failure(seamShop) != nil {
			t.Error("the failure record is still there")
		}
		if now, err := in.refresher().Published(in.t.Context(), seamShop); err != nil || !now.MintedBy(m.Current) || now.MintedBy("other") || now.TokenID != m.Token.ID() {
			t.Errorf("%+v, %v", now, err)
		}
		if account, ok := in.aws.Parameter("/oauth/" + seamShop + "/account_id"); !ok || account.Value.Reveal() == "" {
			t.Error("no account")
		}
		if counts := in.sweep().Counts; counts.Fresh != 1 {
			t.Errorf("the next sweep: %+v", counts)
		}
	})
}

func TestSeamPublishesNothingOnceAWSCURRENTMoved(t *testing.T) {
	seam(t, func(in *installation) {
		m := in.mintWith(seamShop)
		in.connect(seamShop, in.kiwify)
		if _, err := in.refresher().Publish(in.t.Context(), m); !errors.Is(err, refresh.ErrSuperseded) {
			t.Errorf("error %v", err)
		}
		if _, rec := in.token(seamShop); rec != nil {
			t.Error("published")
		}
	})
}

func TestSeamStampsTheTokenThatIsPublishedAlready(t *testing.T) {
	seam(t, func(in *installation) {
		in.kiwify.Configure(func(s *oauthtest.Settings) { s.SameToken = true })
		in.sweep()
		_, before := in.token(seamShop)
		time.Sleep(23*time.Hour + 55*time.Minute) // within the floor, where a sweep writes nothing
		m := in.mintWith(seamShop)
		m.Stage, m.RenewSoon = refresh.StagePending, true
		_, err := in.refresher().Publish(in.t.Context(), m)
		must(t, err)
		_, rec := in.token(seamShop)
		if m.Token.ID() != before.TokenID || rec.TokenID != before.TokenID || rec.Stage != refresh.StagePending || !rec.ExpiresAt.Equal(before.ExpiresAt) || rec.RenewAt.After(time.Now()) {
			t.Errorf("%+v, before %+v", rec, before)
		}
	})
}

func TestSeamWritesOnceMoreWhenAnotherWriterWasThere(t *testing.T) {
	seam(t, func(in *installation) {
		in.sweep()
		met := false
		in.aws.OnCall(func(op awstest.Op, _ string) {
			if op == awstest.PutParameter && !met {
				met = true
				_, err := in.aws.ChangeParameter("/oauth/"+seamShop+"/access_token", "by hand")
				must(t, err)
			}
		})
		m := in.mintWith(seamShop)
		got, err := in.refresher().Publish(in.t.Context(), m)
		must(t, err)
		if state, rec := in.token(seamShop); rec == nil || rec.Seq != state.Version || got.Version != state.Version || state.Value.Reveal() != m.Token.AccessToken.Reveal() {
			t.Errorf("%+v, version %d", rec, state.Version)
		}
	})
}

func TestSeamTellsWhatRefuses(t *testing.T) {
	refused := func(t *testing.T, err error, code string) {
		t.Helper()
		var r *refresh.Refusal
		if !errors.As(err, &r) || r.Code != code || !strings.Contains(r.Error(), seamShop) {
			t.Errorf("error %v, want %s", err, code)
		}
	}
	seam(t, func(in *installation) {
		m := in.mintWith(seamShop)
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.AccessDenied, Times: 1})
		if _, err := in.refresher().Publish(in.t.Context(), m); !errors.Is(err, refresh.ErrStoreRefuses) {
			t.Errorf("error %v", err)
		}
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.InternalError, Times: 4})
		if _, err := in.refresher().Publish(in.t.Context(), m); !errors.Is(err, refresh.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		clearFault := in.aws.Inject(awstest.Fault{Op: awstest.GetParameters, Effect: awstest.AccessDenied})
		if _, err := in.refresher().Publish(in.t.Context(), m); !errors.Is(err, refresh.ErrAccessDenied) {
			t.Errorf("error %v", err)
		}
		if _, err := in.refresher().Published(in.t.Context(), seamShop); !errors.Is(err, refresh.ErrAccessDenied) {
			t.Errorf("error %v", err)
		}
		clearFault()
		large := m
		token := *m.Token
		token.AccessToken = oauth.NewSecret(strings.Repeat("t", 9000))
		large.Token = &token
		_, err := in.refresher().Publish(in.t.Context(), large)
		refused(t, err, "token_too_large")
		_, err = in.aws.WriteParameter("/oauth/"+seamShop+"/access_token", awstest.ParameterWrite{Type: "String", Value: "x"})
		must(t, err)
		_, err = in.refresher().Publish(in.t.Context(), m)
		refused(t, err, "parameter_type_conflict")
	})
}

func TestSeamRefreshesOneVersion(t *testing.T) {
	seam(t, func(in *installation) {
		s, _ := in.aws.Secret("oauth/" + seamShop)
		current := s.Stages[refresh.StageCurrent]
		got, err := in.refresher().RefreshVersion(in.t.Context(), seamShop, current)
		must(t, err)
		if _, rec := in.token(seamShop); rec.Credential != current || got.Credential != current {
			t.Errorf("%+v", rec)
		}
		if _, err := in.refresher().RefreshVersion(in.t.Context(), seamShop, "00000000-0000-0000-0000-000000000000"); !errors.Is(err, refresh.ErrNotFound) {
			t.Errorf("error %v", err)
		}
		in.kiwify.InjectFor("client-of-"+seamShop, oauthtest.Respond(http.StatusUnauthorized, nil, ""))
		_, err = in.refresher().RefreshVersion(in.t.Context(), seamShop, current)
		var answer *oauth.Error
		if !errors.As(err, &answer) || answer.Class != oauth.Credentials {
			t.Errorf("error %v", err)
		}
		_, err = in.aws.PutSecret("oauth/"+seamShop, "no document")
		must(t, err)
		s, _ = in.aws.Secret("oauth/" + seamShop)
		_, err = in.refresher().RefreshVersion(in.t.Context(), seamShop, s.Stages[refresh.StageCurrent])
		var refusal *refresh.Refusal
		if !errors.As(err, &refusal) || refusal.Code != connection.CodeInvalidDocument {
			t.Errorf("error %v", err)
		}
	})
}

func TestCompareTellsWhatANewPairWouldChange(t *testing.T) {
	seam(t, func(in *installation) {
		none, err := in.refresher().Published(in.t.Context(), seamShop)
		must(t, err)
		m := in.mintWith(seamShop)
		if c := none.Compare(m.Connection, m.Token); c.Unfit != "" || c.Lost != nil || c.Account != "" || c.Lifetime != "" {
			t.Errorf("against nothing: %+v", c)
		}
		in.sweep()
		was, err := in.refresher().Published(in.t.Context(), seamShop)
		must(t, err)
		in.kiwify.Update("client-of-"+seamShop, func(c *oauthtest.Client) {
			c.Scopes, c.AccountID, c.Lifetime = []string{"stats"}, "another-store", time.Hour
		})
		m = in.mintWith(seamShop)
		c := was.Compare(m.Connection, m.Token)
		if len(c.Lost) == 0 || !strings.Contains(c.Account, "another-store") || c.Lifetime == "" || c.Unfit != "" {
			t.Errorf("%+v", c)
		}
		m.Connection.RequiredScope = []string{"sales"}
		if c := was.Compare(m.Connection, m.Token); c.Code != "missing_required_scope" {
			t.Errorf("%+v", c)
		}
	})
}
