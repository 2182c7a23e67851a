package rotate

// commands are for a person at a terminal.
type commands struct {
	secret   string // its name, or what the event called it
	function string // to be set as the secret's rotation function; "" where the secret names this one already
}

func (s *step) commands() commands {
	c := commands{secret: s.secret.Name}
	if c.secret == "" {
		c.secret = s.ev.SecretID
	}
	if !s.secret.RotationOn || !sameFunction(s.secret.RotationLambda, s.in.FunctionARN) {
		c.function = "ARN-OF-THIS-FUNCTION" // a local run has none
		if s.in.FunctionARN != "" {
			c.function = unqualified(s.in.FunctionARN)
		}
	}
	return c
}

// stage stores new client credentials as CANDIDATE.
func (c commands) stage() string {
	return "aws secretsmanager put-secret-value --secret-id " + c.secret + " --version-stages CANDIDATE --secret-string file://pair.json"
}

// store makes a whole document AWSCURRENT.
func (c commands) store() string {
	return "aws secretsmanager put-secret-value --secret-id " + c.secret + " --secret-string file://document.json"
}

// rotate starts a rotation.
func (c commands) rotate() string {
	command := "aws secretsmanager rotate-secret --secret-id " + c.secret
	if c.function != "" {
		command += " --rotation-lambda-arn " + c.function
	}
	return command
}

// move moves a stage from one version to another; either may be "".
func (c commands) move(stage, from, to string) string {
	command := "aws secretsmanager update-secret-version-stage --secret-id " + c.secret + " --version-stage " + stage
	if from != "" {
		command += " --remove-from-version-id " + from
	}
	if to != "" {
		command += " --move-to-version-id " + to
	}
	return command
}
