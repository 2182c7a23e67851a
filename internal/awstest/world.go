// Package awstest is Systems Manager Parameter Store, Secrets Manager and one DynamoDB table as one stateful fake that speaks AWS JSON, so
// that the real AWS SDK runs against it: in process through World.Transport (also inside a testing/synctest bubble) or on a loopback port
// through World.Listen.
//
// It obeys what AWS documents or what was recorded against AWS: sizes, versions, staging labels, tiers, throttling, listings that lag.
// Where neither is known the code says "unverified". Nothing that it prints holds a value of a secret or of a parameter: not an
// error, not the call log, not %v of anything here. The conformance package runs the same table against this fake and against other servers.
package awstest

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Region and Account are where a World lies; its ARNs say so.
const (
	Region  = "sa-east-1"
	Account = "123456789012"
)

// World is one account in one region. The zero World is empty, refuses nothing that AWS would accept, and is ready for use by any number
// of goroutines. The fields are set before the first call, or between calls while nothing else runs. It must not be copied.
type World struct {
	// Now is the clock: dates in answers, throttling, lag. Nil means time.Now, which inside a synctest bubble is the bubble's clock.
	Now func() time.Time

	// ListLag is how far ListSecrets and DescribeParameters lag behind. A read by name is always current. Zero: listings are current too.
	// AWS names no figure for DescribeParameters ("best effort") and up to five minutes for ListSecrets.
	ListLag time.Duration

	// ScanLimit is how many items one page of a listing looks at before it answers, whether or not they match, so that a page may be
	// short or empty and still carry a NextToken, as AWS says it may. Zero: a page of ListSecrets is filled, and one of DescribeParameters
	// looks at as many as it may answer.
	ScanLimit int

	// Latency is how long a call takes before it does anything; nil means no time. name is empty for listings and the first of a batch.
	Latency func(op Op, name string) time.Duration

	// StandardLimit is how many parameters of the standard tier there may be; zero means AWS's 10,000. Above it PutParameter answers
	// ParameterLimitExceeded, or Intelligent-Tiering turns to the advanced tier.
	StandardLimit int

	// HistoryLimit is how many versions of a parameter are kept; zero means AWS's 100. A simulation of a month wants fewer.
	HistoryLimit int

	mu       sync.Mutex
	requests int

	parameters      map[string]*parameter
	parameterList   catalogue[parameterVersion]
	standardCount   int
	secrets         map[string]*secret
	secretByARN     map[string]*secret
	secretList      catalogue[secretView]
	created         int             // secrets ever created: makes each ARN's suffix its own
	rotationAllowed map[string]bool // Lambda ARNs that Secrets Manager may invoke
	table           table
	unprocessed     bool // the BatchGetItem that runs now leaves keys unprocessed
	buckets         map[Group]*bucket
	faults          []*fault
	before, after   func(op Op, name string)
	counters        map[Op]*Counter
	log             []Call
	logged          int // calls ever logged; log is a ring once it is full
}

// now is the World's clock.
func (w *World) now() time.Time {
	now := w.Now
	if now == nil {
		now = time.Now
	}
	return now()
}

// init makes the maps of a zero World. w.mu is held.
func (w *World) init() {
	if w.parameters != nil {
		return
	}
	w.parameters = make(map[string]*parameter)
	w.secrets = make(map[string]*secret)
	w.secretByARN = make(map[string]*secret)
	w.rotationAllowed = make(map[string]bool)
	w.counters = make(map[Op]*Counter)
	w.buckets = make(map[Group]*bucket)
}

// lock takes the lock of a World whose maps exist, and returns what releases it.
func (w *World) lock() func() {
	w.mu.Lock()
	w.init()
	return w.mu.Unlock
}

// OnCall sets the function that runs before each call, outside every lock, so that it may change the World: a test that wants a secret
// deleted between a listing and a read does it here. It runs once per name of a batch, and once with an empty name for a listing.
// Nil sets none.
func (w *World) OnCall(f func(op Op, name string)) {
	defer w.lock()()
	w.before = f
}

// AfterCall is OnCall after the call has had its effect and before its answer is returned.
func (w *World) AfterCall(f func(op Op, name string)) {
	defer w.lock()()
	w.after = f
}

// Format prints how much a World holds and none of it, for every verb.
func (w *World) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// String says how much a World holds.
func (w *World) String() string {
	defer w.lock()()
	return "awstest.World(" + strconv.Itoa(len(w.secrets)) + " secrets, " + strconv.Itoa(len(w.parameters)) + " parameters)"
}

// sealed is a value on its way through JSON: it decodes into an oauth.Secret, so that no input of an operation can be printed in clear,
// and encodes what it holds, because answering a read is what this package is for.
type sealed struct{ oauth.Secret }
