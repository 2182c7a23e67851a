package awstest

import (
	"net/http"
	"slices"
)

// Effect is what an injected fault does.
type Effect int

// The effects. The name of each AWS error is that of the service whose operation meets it.
const (
	none                  Effect = iota
	AccessDenied                 // AccessDeniedException of IAM
	KMSAccessDenied              // AccessDeniedException because of the key
	DecryptionFailure            // DecryptionFailure of Secrets Manager, InvalidKeyId of Systems Manager
	InternalError                // status 500: InternalServerError or InternalServiceError
	Throttled                    // ThrottlingException, whatever the quota says
	TooManyUpdates               // TooManyUpdates of PutParameter
	ParameterLimit               // ParameterLimitExceeded
	ParameterVersionLimit        // ParameterMaxVersionLimitExceeded
	Hang                         // no answer until the caller gives up; nothing happens
	ConnectionReset              // the connection breaks before anything happens
	LostResponse                 // the call has its effect, then the connection breaks
	Unprocessed                  // BatchGetItem reads one item and leaves the other keys unprocessed
)

// Fault makes calls fail.
type Fault struct {
	Op     Op     // which operation; empty: any
	Name   string // which secret, parameter or item, by name or key; empty: any, listings too
	Effect Effect
	Skip   int // let this many matching calls pass first
	Times  int // how many calls it meets; zero: until cleared
}

type fault struct {
	Fault

	met int
}

// Inject adds a fault and returns what clears it. Of several that match a call the oldest acts.
//
// A batch that names the secret or parameter fails as a whole, except BatchGetSecretValue: there an error becomes that secret's entry in
// Errors, and a fault of GetSecretValue acts too, since AWS asks for that permission secret by secret.
func (w *World) Inject(f Fault) (clearFault func()) {
	defer w.lock()()
	added := &fault{Fault: f}
	w.faults = append(w.faults, added)
	return func() {
		defer w.lock()()
		w.removeFault(added)
	}
}

// ClearFaults removes every injected fault.
func (w *World) ClearFaults() {
	defer w.lock()()
	w.faults = nil
}

func (w *World) removeFault(f *fault) {
	w.faults = slices.DeleteFunc(w.faults, func(o *fault) bool { return o == f })
}

// takeFault finds the fault that a call meets and counts it. w.mu is held.
func (w *World) takeFault(op Op, names []string) Effect {
	for _, f := range w.faults {
		if f.matches(op, names) && w.strike(f) {
			return f.Effect
		}
	}
	return none
}

// takeSecretFault finds the fault that one secret of a batch meets. w.mu is held.
func (w *World) takeSecretFault(name string) Effect {
	for _, f := range w.faults {
		ofItem := f.Op == GetSecretValue || f.Op == BatchGetSecretValue && f.Name != ""
		if ofItem && f.Effect.answers() && (f.Name == "" || f.Name == name) && w.strike(f) {
			return f.Effect
		}
	}
	return none
}

func (f *fault) matches(op Op, names []string) bool {
	if f.Op != "" && f.Op != op {
		return false
	}
	if f.Name == "" {
		return true
	}
	if op == BatchGetSecretValue && f.Effect.answers() {
		return false // it is met secret by secret
	}
	return slices.Contains(names, f.Name)
}

// strike counts a matching call and reports whether the fault acts on it.
func (w *World) strike(f *fault) bool {
	f.met++
	if f.met <= f.Skip {
		return false
	}
	if f.Times > 0 && f.met == f.Skip+f.Times {
		w.removeFault(f)
	}
	return true
}

// answers reports whether the effect is an answer of the service, as against no answer.
func (e Effect) answers() bool { return e != Hang && e != ConnectionReset && e != LostResponse }

// failure is the error that an effect is answered with.
func (e Effect) failure(op Op, name string) *apiError {
	secrets := op.ofSecrets()
	switch e {
	case AccessDenied:
		return refuse("AccessDeniedException", denied(op, name, secrets))
	case KMSAccessDenied:
		if secrets {
			return refuse("AccessDeniedException", "Access to KMS is not allowed")
		}
		return refuse("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	case DecryptionFailure:
		if secrets {
			return refuse("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.")
		}
		return refuse("InvalidKeyId", "The query key ID isn't valid.")
	case InternalError:
		code := "InternalServerError"
		if secrets {
			code = "InternalServiceError"
		}
		return &apiError{status: http.StatusInternalServerError, code: code, message: "An error occurred on the server side."}
	case Throttled:
		return throttled()
	case TooManyUpdates:
		return refuse("TooManyUpdates", "There are concurrent updates for a resource that supports one update at a time.")
	case ParameterLimit:
		return parameterLimit()
	case ParameterVersionLimit:
		return refuse("ParameterMaxVersionLimitExceeded", "You attempted to create a new version of "+name+
			" by calling the PutParameter API with the overwrite flag. The oldest version can't be deleted because it has a label associated with it. "+
			"Move the label to another version of the parameter, and try again.")
	case none, Hang, ConnectionReset, LostResponse, Unprocessed:
		return nil
	default:
		return nil
	}
}

// denied is IAM's sentence.
func denied(op Op, name string, secrets bool) string {
	action := "ssm:" + string(op)
	resource := parameterARN(name)
	if secrets {
		action = "secretsmanager:" + string(op)
		resource = name
	}
	if op.ofTable() {
		action = "dynamodb:" + string(op)
		resource = tableARN()
	}
	return "User: arn:aws:sts::" + Account + ":assumed-role/role/session is not authorized to perform: " + action +
		" on resource: " + resource + " because no identity-based policy allows the " + action + " action"
}
