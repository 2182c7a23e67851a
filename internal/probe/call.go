package probe

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/chaveiro/chaveiro/internal/event"
	"github.com/chaveiro/chaveiro/internal/provider"
)

// Call is what to measure. The zero Call is everything, with the kind of probe that the catalogue names for each endpoint.
type Call struct {
	Connections []string // nil: all
	Probe       Probe    // "": as the catalogue says
}

// Probe is a kind of probe: one of the catalogue's, or None.
type Probe = provider.Probe

// None probes no endpoint.
const None Probe = "none"

// ParseCall reads a Lambda event (contract.md section 7): null, {}, an EventBridge object, or an object made by hand. Every error names the
// field.
func ParseCall(raw []byte) (Call, error) {
	fields, err := event.Read(raw)
	if err != nil {
		return Call{}, err
	}
	var call Call
	return call, fields.Each(call.take)
}

func (c *Call) take(name string, raw json.RawMessage) (err error) {
	switch name {
	case "connections":
		c.Connections, err = event.Names(raw, "look at all of them")
	case "probe":
		const want = "token, reachability or none"
		kinds := []Probe{provider.ProbeToken, provider.ProbeReachability, None}
		if err = event.Strict(raw, &c.Probe, want); err == nil && !slices.Contains(kinds, c.Probe) {
			err = errors.New("must be " + want)
		}
	default:
		err = event.Unknown(name, "connections", "probe")
	}
	return err
}

// wanted returns whether the call is about a connection.
func (c Call) wanted() func(connection string) bool {
	if c.Connections == nil {
		return func(string) bool { return true }
	}
	names := make(map[string]bool, len(c.Connections))
	for _, n := range c.Connections {
		names[n] = true
	}
	return func(connection string) bool { return names[connection] }
}
