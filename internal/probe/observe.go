package probe

import (
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// EventKind names what happened; it is the stable first word of the log line.
type EventKind string

// Kinds of events.
const (
	EventProbe     EventKind = "probe"       // one request to a token endpoint
	EventNotProbed EventKind = "not_probed"  // an endpoint could not be probed: its document cannot be used
	EventLeftOut   EventKind = "probes_left" // the time was over before every endpoint was probed
)

// Event is one thing that happened, for logs. Fields that do not apply are zero. Nothing in it is secret.
type Event struct {
	Kind       EventKind
	Provider   string
	Endpoint   string // host
	Probe      Probe
	Connection string // whose document was read for the request, "" when none was needed
	Class      oauth.Class
	Code       string
	HTTPStatus int
	Message    string // for a person
	Attempt    int    // 2 for the second request to a slow endpoint
	Latency    oauth.Latency

	// Of the token that a token probe got and dropped.
	Credential string // version id of the document
	TokenID    string
	JTI        string
	Scope      string
	ExpiresAt  time.Time
}
