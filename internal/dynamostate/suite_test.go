package dynamostate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/awstest/conformance"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// TestStore is what the store does over every server: the fake, through the SDK's client and directly, moto and dynalite.
func TestStore(t *testing.T) {
	t.Run("awstest through the SDK", func(t *testing.T) {
		w := new(awstest.World)
		suite(t, server{config: w.Config(), world: w, table: awstest.StateTable})
	})
	t.Run("awstest directly", func(t *testing.T) {
		w := new(awstest.World)
		suite(t, server{direct: awstest.DirectStates{World: w}, world: w, table: awstest.StateTable})
	})
	for name, variable := range map[string]string{"moto": "CHAVEIRO_MOTO_URL", "dynalite": "CHAVEIRO_DYNALITE_URL"} {
		t.Run(name, func(t *testing.T) {
			url := os.Getenv(variable)
			if url == "" {
				t.Skipf("%s is not set: there is no %s to run against", variable, name)
			}
			s := server{config: new(awstest.World).Config(), noOld: name == "dynalite"}
			s.config.HTTPClient, s.config.BaseEndpoint = http.DefaultClient, &url
			var err error
			if s.table, err = conformance.CreateTable(t.Context(), s.config); err != nil {
				t.Fatal(err)
			}
			suite(t, s)
		})
	}
}

// server is what the suite runs against: through the SDK with config, or directly.
type server struct {
	config aws.Config
	direct dynamostate.API
	world  *awstest.World // nil for another server
	table  string
	noOld  bool // the server knows no ReturnValuesOnConditionCheckFailure: dynalite
}

// copyItem copies an item to other keys.
func (s server) copyItem(t *testing.T, from string, to []string) {
	t.Helper()
	if s.world != nil {
		item, _ := s.world.Item(from)
		delete(item, awstest.StateKey)
		for _, id := range to {
			if err := s.world.PutItem(id, item); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	client := dynamodb.NewFromConfig(s.config)
	keyed := func(id string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{awstest.StateKey: &types.AttributeValueMemberS{Value: id}}
	}
	stored, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &s.table, Key: keyed(from)})
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(to, 25) {
		var puts []types.WriteRequest
		for _, id := range part {
			item := maps.Clone(stored.Item)
			maps.Copy(item, keyed(id))
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		}
		in := &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.table: puts}}
		if out, err := client.BatchWriteItem(t.Context(), in); err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("%v, %d unprocessed", err, len(out.UnprocessedItems))
		}
	}
}

// bench is what one test works with: a connection of its own and a clock that it sets.
type bench struct {
	t      *testing.T
	server server
	store  *dynamostate.Store
	id     string
	now    time.Time
	losing *losing // nil without the SDK
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func suite(t *testing.T, s server) {
	t.Helper()
	n := 0
	tables := []map[string]func(*bench){claims(), commits(), updates(), reads()}
	if s.direct == nil { // the direct client repeats nothing
		tables = append(tables, lostResponses())
	}
	for _, tests := range tables {
		for sentence, test := range tests {
			n++
			t.Run(sentence, func(t *testing.T) { test(newBench(t, s, fmt.Sprintf("tenant-%d/main", n))) })
		}
	}
}

func newBench(t *testing.T, s server, id string) *bench {
	t.Helper()
	b := &bench{t: t, server: s, id: id, now: start}
	client := s.direct
	if client == nil {
		b.losing = &losing{next: s.config.HTTPClient}
		cfg := s.config.Copy()
		cfg.HTTPClient = b.losing
		client = dynamodb.NewFromConfig(cfg)
	}
	b.store = open(t, dynamostate.Config{
		Client: client, Table: s.table, Now: func() time.Time { return b.now }, CallTimeout: time.Minute, // moto is slow
	})
	return b
}

func open(t *testing.T, c dynamostate.Config) *dynamostate.Store {
	t.Helper()
	s, err := dynamostate.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) ctx() context.Context { return b.t.Context() }

func (b *bench) owner(id string) lifecycle.Owner {
	return lifecycle.Owner{ID: id, HardEnd: b.now.Add(4*time.Minute + 300*time.Millisecond)}
}

// claim must win.
func (b *bench) claim(read lifecycle.State, owner string) lifecycle.State {
	b.t.Helper()
	leased, err := b.store.Claim(b.ctx(), read, b.owner(owner))
	b.ok(err)
	return leased
}

func (b *bench) get() lifecycle.State {
	b.t.Helper()
	found, err := b.store.Get(b.ctx(), []string{b.id})
	b.ok(err)
	return found[b.id]
}

// full is a state with a value in every field, and what it is in the table afterwards: it must come back so.
func (b *bench) full() lifecycle.State {
	return lifecycle.State{
		ID: b.id, Current: "v1", ChangedAt: start.Add(-time.Hour), Paused: true, Configuration: "0123456789abcdef",
		Notice: "credentials/invalid_client", DeleteAt: start.Add(24 * time.Hour),
		Token: &lifecycle.Token{
			Provider: "kiwify", Endpoint: "public-api.kiwify.com", IssuedAt: start, ExpiresAt: start.Add(24 * time.Hour),
			RenewAt: start.Add(12 * time.Hour), Scope: "read write", JTI: "j", Account: "store-1", AccountID: "store-2",
			TokenID: "feedfeedfeedfeed", Shape: "01234567", Credential: "v0", Stage: "BACKUP", Since: start.Add(-2 * time.Hour), Version: 7,
		},
		Failure: &lifecycle.Failure{
			Class: lifecycle.Credentials, Code: "invalid_client", Provider: "hotmart", Endpoint: "api.hotmart.com", HTTPStatus: 401, Attempts: 3,
			FirstAt: start, LastAt: start.Add(time.Minute), NextAt: start.Add(time.Hour), RetryAt: start.Add(2 * time.Minute), Current: "v2",
			Message: "Hotmart rejects \"these\" credentials. Não há acesso.", RejectedStandbys: []string{"v3", "v0"},
		},
		Told: map[string]string{"scope_unverified": "v1", "credential_old": "v1 180"},
	}
}

// write writes a state without a lease.
func (b *bench) write(s lifecycle.State) lifecycle.State {
	b.t.Helper()
	written, err := b.store.Update(b.ctx(), s)
	b.ok(err)
	return written
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wantErr(err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("got %v, want %v", err, want)
	}
}

func (b *bench) same(got, want lifecycle.State) {
	b.t.Helper()
	if !reflect.DeepEqual(got, want) {
		b.t.Errorf("got  %+v\n     token %+v\n     failure %+v\n     lease %+v\nwant %+v\n     token %+v\n     failure %+v\n     lease %+v",
			got, got.Token, got.Failure, got.Lease, want, want.Token, want.Failure, want.Lease)
	}
}

func claims() map[string]func(*bench) {
	return map[string]func(*bench){
		"a claim of a new connection makes an item with a lease that ends 5 s after the run, in whole seconds": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			lease := &lifecycle.Lease{Owner: "run-1", Since: start, Until: start.Add(4*time.Minute + 6*time.Second)}
			want := lifecycle.State{ID: b.id, Revision: 1, Lease: lease}
			b.same(leased, want)
			b.same(b.get(), want)
		},
		"a claim returns the whole item as it is now": func(b *bench) {
			was := b.write(b.full())
			leased := b.claim(lifecycle.State{ID: b.id, Revision: was.Revision}, "run-1")
			was.Revision, was.Lease = 2, leased.Lease
			b.same(leased, was)
		},
		"of two claims with the same revision the second loses": func(b *bench) {
			b.claim(lifecycle.State{ID: b.id}, "run-1")
			_, err := b.store.Claim(b.ctx(), lifecycle.State{ID: b.id}, b.owner("run-2"))
			b.wantErr(err, store.ErrInFlight)
		},
		"a claim loses to another claim of the same run": func(b *bench) {
			b.claim(lifecycle.State{ID: b.id}, "run-1")
			b.now = b.now.Add(time.Second)
			_, err := b.store.Claim(b.ctx(), lifecycle.State{ID: b.id}, b.owner("run-1"))
			b.wantErr(err, store.ErrInFlight)
		},
		"a claim of a leased item loses until the lease is over": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			b.now = leased.Lease.Until
			_, err := b.store.Claim(b.ctx(), leased, b.owner("run-2"))
			b.wantErr(err, store.ErrInFlight)
			b.now = leased.Lease.Until.Add(time.Second)
			if taken := b.claim(leased, "run-2"); taken.Lease.Owner != "run-2" || taken.Revision != 2 {
				b.t.Errorf("claimed %+v, lease %+v", taken, taken.Lease)
			}
		},
		"a claim of an item that changed since it was read loses": func(b *bench) {
			b.write(b.full())
			for _, revision := range []int64{0, 2} {
				_, err := b.store.Claim(b.ctx(), lifecycle.State{ID: b.id, Revision: revision}, b.owner("run-1"))
				b.wantErr(err, store.ErrInFlight)
			}
		},
		"a release ends the lease and keeps everything else": func(b *bench) {
			was := b.write(b.full())
			b.ok(b.store.Release(b.ctx(), b.claim(was, "run-1")))
			was.Revision = 3
			b.same(b.get(), was)
		},
		"a release of a new connection leaves a bare item": func(b *bench) {
			b.ok(b.store.Release(b.ctx(), b.claim(lifecycle.State{ID: b.id}, "run-1")))
			b.same(b.get(), lifecycle.State{ID: b.id, Revision: 2})
			b.claim(b.get(), "run-2")
		},
	}
}

func commits() map[string]func(*bench) {
	return map[string]func(*bench){
		"a commit writes every field and ends the lease": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			next := b.full()
			next.Revision, next.Lease = leased.Revision, leased.Lease
			b.ok(b.store.Commit(b.ctx(), next))
			next.Revision, next.Lease = 2, nil
			b.same(b.get(), next)
		},
		"a commit removes what the state does not have": func(b *bench) {
			leased := b.claim(b.write(b.full()), "run-1")
			b.ok(b.store.Commit(b.ctx(), lifecycle.State{ID: b.id, Revision: leased.Revision, Lease: leased.Lease}))
			b.same(b.get(), lifecycle.State{ID: b.id, Revision: 3})
		},
		"a commit or release by a run that lost its lease changes nothing": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			b.now = leased.Lease.Until.Add(time.Second)
			taken := b.claim(leased, "run-2")
			next := b.full()
			next.Revision, next.Lease = leased.Revision, leased.Lease
			b.wantErr(b.store.Commit(b.ctx(), next), store.ErrLeaseLost)
			b.wantErr(b.store.Release(b.ctx(), leased), store.ErrLeaseLost)
			b.same(b.get(), taken)
		},
		"a commit after the end of the lease is written if nobody took it": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			b.now = leased.Lease.Until.Add(time.Hour)
			b.ok(b.store.Commit(b.ctx(), leased))
		},
		"a commit or release without a lease makes no call": func(b *bench) {
			b.wantErr(b.store.Commit(b.ctx(), lifecycle.State{ID: b.id}), store.ErrLeaseLost)
			b.wantErr(b.store.Release(b.ctx(), lifecycle.State{ID: b.id}), store.ErrLeaseLost)
			b.same(b.get(), lifecycle.State{})
		},
	}
}
