package lifecycle_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// drawn gives values of the domain to a property. Its instants lie around the morning, and some lie absurdly far away.
type drawn struct{ *rapid.T }

func pick[V any](d drawn, name string, values ...V) V {
	return rapid.SampledFrom(values).Draw(d.T, name)
}

func (d drawn) flag(name string) bool { return rapid.Bool().Draw(d.T, name) }

func (d drawn) seconds(name string, least, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(least/time.Second), int64(most/time.Second)).Draw(d.T, name)) * time.Second
}

func (d drawn) version(name string) string { return pick(d, name, v1, v2, "") }

func (d drawn) class(name string) lifecycle.Class {
	return pick(d, name, lifecycle.Transient, lifecycle.Credentials, lifecycle.Configuration, lifecycle.Malformed, lifecycle.Canceled, "weather")
}

// instant is at most two days from the morning, or absurd.
func (d drawn) instant(name string) time.Time {
	absurd := []time.Time{{}, time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	if i := rapid.IntRange(0, 20).Draw(d.T, name+" is absurd"); i < len(absurd) {
		return absurd[i]
	}
	two := int64(48 * time.Hour)
	return morning().Add(time.Duration(rapid.Int64Range(-two, two).Draw(d.T, name)))
}

// policy is one that the environment of a function allows.
func (d drawn) policy() lifecycle.Policy {
	return lifecycle.Policy{
		Period:      d.seconds("period", time.Minute, time.Hour),
		ReaderCache: d.seconds("reader cache", time.Second, time.Hour),
		RefreshAt:   pick(d, "refresh at", 0.3, 0.45, 0.6, 0.8, 0.9),
	}
}

// state is any state, also one that nothing here would write.
func (d drawn) state() lifecycle.State {
	s := lifecycle.State{ID: "kiwify/main", Revision: 3, Current: d.version("current"), Paused: d.flag("paused before")}
	if rapid.IntRange(0, 9).Draw(d.T, "newer") == 0 {
		s.Newer = true
	}
	if rapid.IntRange(0, 4).Draw(d.T, "gone before") == 0 {
		s.DeleteAt = d.instant("delete at")
	}
	if d.flag("has a token") {
		s.Token = &lifecycle.Token{
			IssuedAt: d.instant("issued at"), ExpiresAt: d.instant("expires at"), RenewAt: d.instant("renew at"), TokenID: pick(d, "token id", "a", "b"),
			Account: pick(d, "account", "", "x", "y"), Credential: d.version("credential"),
			Stage: pick(d, "stage", "AWSCURRENT", "BACKUP", "AWSPREVIOUS", "AWSPENDING"), Version: pick[int64](d, "written version", 0, 7, 8),
		}
	}
	if d.flag("has failed") {
		s.Failure = d.failure()
	}
	return s
}

func (d drawn) failure() *lifecycle.Failure {
	return &lifecycle.Failure{
		Class: d.class("failure's class"), Code: pick(d, "code", "code", "parameter_type_conflict", "account_changed"),
		Attempts: rapid.IntRange(0, 12).Draw(d.T, "attempts"), FirstAt: d.instant("first at"), LastAt: d.instant("last at"),
		NextAt: d.instant("next at"), RetryAt: pick(d, "retry at", time.Time{}, d.instant("retry at")), Current: d.version("failure's current"),
	}
}

func (d drawn) observation() lifecycle.Observation {
	var o lifecycle.Observation
	if d.flag("secret seen") {
		o.Secret = &lifecycle.Secret{Current: d.version("seen current"), Paused: d.flag("paused"), Gone: d.flag("gone")}
	}
	if d.flag("parameter seen") {
		o.Parameter = &lifecycle.Parameter{}
		if version := pick[int64](d, "seen version", 0, 7, 8); version != 0 {
			*o.Parameter = lifecycle.Parameter{Version: version, Type: pick(d, "type", "SecureString", "String"), Modified: d.instant("modified")}
		}
	}
	return o
}

func (d drawn) override() lifecycle.Override {
	if d.flag("forced") {
		return lifecycle.Override{Force: true}
	}
	return lifecycle.Override{RejectedVersion: pick[int64](d, "rejected version", 0, 7, 8)}
}

// candidate is a token that a provider may issue in the morning.
func (d drawn) candidate() lifecycle.Candidate {
	return candidate(func(c *lifecycle.Candidate) {
		c.Lifetime = d.seconds("lifetime", time.Second, pick(d, "longest lifetime", time.Hour, 400*24*time.Hour))
		c.TokenID, c.Account = pick(d, "new token id", "a", "b", "c"), pick(d, "new account", "", "x", "y")
		c.Stage, c.RefreshAt = pick(d, "new stage", "AWSCURRENT", "BACKUP"), pick(d, "refresh at of the connection", 0, 0.3, 0.9)
		c.Size = pick(d, "size", 1200, 1200, 1200, 8193)
	})
}

// cause is a cause of any class, as the token endpoint may give it: a Retry-After is at most an hour.
func (d drawn) cause() *lifecycle.Cause {
	c := &lifecycle.Cause{Class: pick(d, "class", lifecycle.Transient, lifecycle.Credentials, lifecycle.Configuration, lifecycle.Malformed), Code: "new"}
	if d.flag("names a wait") {
		c.RetryAfter = time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(d.T, "Retry-After"))
	}
	return c
}
