package awstest

import (
	"cmp"
	"time"
)

// rotation is a secret's configuration and state of rotation.
type rotation struct {
	lambda    string
	rules     rules
	last      time.Time // of the last rotation that ended well
	underway  string    // version id of the rotation that is under way; empty if none is
	abandoned int       // rotations that a new version by hand ended
}

type rules struct {
	AutomaticallyAfterDays int    `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

type rotateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	RotationLambdaARN  string
	RotationRules      *rules
	RotateImmediately  *bool
}

func (in *rotateSecretInput) names() []string { return []string{in.SecretID} }

// run configures rotation and, unless RotateImmediately is false, makes the empty AWSPENDING version. Nothing is invoked: whoever plays
// Secrets Manager's part calls the four steps and then EndRotation.
func (in *rotateSecretInput) run(w *World) (any, *apiError) {
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := in.validate(w, s); err != nil {
		return nil, err
	}
	if s.rotation == nil {
		s.rotation = new(rotation)
	}
	s.rotation.lambda = cmp.Or(in.RotationLambdaARN, s.rotation.lambda)
	if in.RotationRules != nil {
		s.rotation.rules = *in.RotationRules
	}
	if in.RotateImmediately == nil || *in.RotateImmediately {
		s.versions = append(s.versions, &secretVersion{id: in.ClientRequestToken, made: w.now()})
		s.attach(in.ClientRequestToken, stagePending)
		s.rotation.underway = in.ClientRequestToken
	}
	w.touch(s)
	return createSecretOutput{ARN: s.arn, Name: s.name, VersionID: in.ClientRequestToken}, nil
}

// validate checks in the order in which a refusal leaves nothing behind.
func (in *rotateSecretInput) validate(w *World, s *secret) *apiError {
	lambda := in.RotationLambdaARN
	if lambda == "" && s.rotation != nil {
		lambda = s.rotation.lambda
	}
	pending, current := s.stages[stagePending], s.stages[stageCurrent]
	switch n := len(in.ClientRequestToken); {
	case n < minToken || n > maxToken:
		return refuse("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	case lambda == "":
		return refuse("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
	case !w.rotationAllowed[lambda]:
		return refuse("AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.")
	case pending != "" && pending != current:
		return refuse("InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	case s.version(in.ClientRequestToken) != nil:
		return refuse("ResourceExistsException", "You can't use ClientRequestToken "+in.ClientRequestToken+" because that value is already in use for a version of secret "+s.arn+".")
	default:
		return nil
	}
}

// abandonRotation ends a rotation that is under way, since a version came from elsewhere: CloudTrail's RotationAbandoned. That a version
// with only a custom label does this too is unverified.
func (s *secret) abandonRotation(newID string) {
	r := s.rotation
	if r == nil || r.underway == "" || r.underway == newID || s.stages[stagePending] != r.underway {
		return
	}
	if s.stages[stageCurrent] != r.underway {
		delete(s.stages, stagePending)
		r.abandoned++
	}
	r.underway = ""
}

// AllowRotation lets Secrets Manager invoke a Lambda function, as its resource policy does on AWS. Without it RotateSecret is refused.
func (w *World) AllowRotation(lambdaARN string) {
	defer w.lock()()
	w.rotationAllowed[lambdaARN] = true
}

// EndRotation does what Secrets Manager does after a rotation whose finishSecret succeeded: AWSPENDING goes, the date stays. It reports
// whether there was a rotation under way whose version is AWSCURRENT.
func (w *World) EndRotation(name string) bool {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil || s.rotation == nil || s.rotation.underway == "" || s.stages[stageCurrent] != s.rotation.underway {
		return false
	}
	if s.stages[stagePending] == s.rotation.underway {
		delete(s.stages, stagePending)
	}
	s.rotation.underway, s.rotation.last = "", w.now()
	w.touch(s)
	return true
}
