package refresh

import (
	"encoding/json"
	"errors"

	"github.com/chaveiro/chaveiro/internal/event"
)

// Call is what the function is asked to do. The zero Call is a sweep over all connections.
type Call struct {
	Connections     []string // nil: all
	Force           bool     // renew whatever their state; never against a Retry-After
	RejectedVersion int64    // a consumer's parameter version that the provider's API refused; 0 when none
	DryRun          bool     // plan only
}

// eventFields are the fields of an event made by hand, for the message about one that is not among them.
var eventFields = [...]string{"connections", "force", "dry_run", "rejected_version"}

// ParseCall reads a Lambda event (contract.md section 4): null, {}, an EventBridge object, or an object made by hand. Every error names the
// field.
func ParseCall(raw []byte) (Call, error) {
	fields, err := event.Read(raw)
	if err != nil {
		return Call{}, err
	}
	var call Call
	if err := fields.Each(call.take); err != nil {
		return Call{}, err
	}
	if _, given := fields["force"]; given && call.Connections == nil {
		return Call{}, errors.New(`event: field "force": needs "connections": name what is to be renewed`)
	}
	return call, call.check()
}

// take reads one field of an event.
func (c *Call) take(name string, raw json.RawMessage) (err error) {
	switch name {
	case "connections":
		c.Connections, err = event.Names(raw, "renew all that is due")
	case "force":
		err = event.Strict(raw, &c.Force, "true or false")
	case "dry_run":
		err = event.Strict(raw, &c.DryRun, "true or false")
	case "rejected_version":
		const want = "a whole number from 1, the version that the consumer read"
		if err = event.Strict(raw, &c.RejectedVersion, want); err == nil && c.RejectedVersion < 1 {
			err = errors.New("must be " + want)
		}
	default:
		err = event.Unknown(name, eventFields[:]...)
	}
	return err
}

func (c *Call) check() error {
	switch {
	case c.RejectedVersion != 0 && len(c.Connections) != 1:
		return errors.New(`event: field "rejected_version": needs "connections" with exactly one name`)
	case c.RejectedVersion != 0 && c.Force:
		return errors.New(`event: field "rejected_version": cannot stand beside "force": leave one of them out`)
	}
	return nil
}
