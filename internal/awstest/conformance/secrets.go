package conformance

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Labels.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
	pending  = "AWSPENDING"
	custom   = "CANDIDATE"
)

// token is a client request token, which becomes the version id.
func token(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

// create makes a secret whose first version is token(1) with the value "v1".
func (e *env) create(t *testing.T, name string) {
	t.Helper()
	_, err := e.createAs(name, token(1), "v1")
	ok(t, err)
}

func (e *env) createAs(name, version, text string) (*secretsmanager.CreateSecretOutput, error) {
	return e.secrets.CreateSecret(background(), &secretsmanager.CreateSecretInput{
		Name: aws.String(e.secret(name)), SecretString: aws.String(text), ClientRequestToken: aws.String(version),
	})
}

// add puts version token(n) with the value "v<n>".
func (e *env) add(t *testing.T, name string, n int, stages ...string) {
	t.Helper()
	_, err := e.addAs(name, n, fmt.Sprint("v", n), stages...)
	ok(t, err)
}

func (e *env) addAs(name string, n int, text string, stages ...string) (*secretsmanager.PutSecretValueOutput, error) {
	return e.secrets.PutSecretValue(background(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(e.secret(name)), SecretString: aws.String(text), ClientRequestToken: aws.String(token(n)), VersionStages: stages,
	})
}

// move is UpdateSecretVersionStage; zero leaves a version out.
func (e *env) move(name, stage string, from, to int) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(e.secret(name)), VersionStage: aws.String(stage)}
	if from != 0 {
		in.RemoveFromVersionId = aws.String(token(from))
	}
	if to != 0 {
		in.MoveToVersionId = aws.String(token(to))
	}
	_, err := e.secrets.UpdateSecretVersionStage(background(), in)
	return err
}

// stages fails the test unless DescribeSecret shows these versions with these labels, "1: AWSCURRENT CANDIDATE", and no other.
func (e *env) stages(t *testing.T, name string, want ...string) {
	t.Helper()
	out, err := e.secrets.DescribeSecret(background(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(e.secret(name))})
	ok(t, err)
	got := make([]string, 0, len(out.VersionIdsToStages))
	for id, labels := range out.VersionIdsToStages {
		n := strings.TrimLeft(id[strings.LastIndex(id, "-")+1:], "0")
		got = append(got, n+": "+sorted(labels))
	}
	same(t, "stages", got, want)
}

func sorted(labels []string) string {
	var l []string
	for _, s := range []string{current, pending, previous, custom} {
		for _, have := range labels {
			if have == s {
				l = append(l, s)
			}
		}
	}
	return strings.Join(l, " ")
}

// read is GetSecretValue; zero and "" leave out version and label.
func (e *env) read(name string, n int, stage string) (*secretsmanager.GetSecretValueOutput, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(e.secret(name))}
	if n != 0 {
		in.VersionId = aws.String(token(n))
	}
	if stage != "" {
		in.VersionStage = aws.String(stage)
	}
	return e.secrets.GetSecretValue(background(), in)
}

func (e *env) value(t *testing.T, name string, n int, stage, want string) {
	t.Helper()
	out, err := e.read(name, n, stage)
	ok(t, err)
	equal(t, "value", aws.ToString(out.SecretString), want)
}

func secretVersions() []behaviour {
	return []behaviour{
		{sentence: "CreateSecret makes a version whose id is the client request token, labelled AWSCURRENT", aws: func(t *testing.T, e *env) {
			out, err := e.createAs("a", token(1), "v1")
			ok(t, err)
			equal(t, "version", aws.ToString(out.VersionId), token(1))
			equal(t, "name", aws.ToString(out.Name), e.secret("a"))
			if !regexp.MustCompile(`^arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:` + e.secret("a") + `-[A-Za-z0-9]{6}$`).MatchString(aws.ToString(out.ARN)) {
				t.Fatalf("ARN: %s", aws.ToString(out.ARN))
			}
			e.stages(t, "a", "1: AWSCURRENT")
			read, err := e.read("a", 0, current)
			ok(t, err)
			equal(t, "value", aws.ToString(read.SecretString), "v1")
			equal(t, "version read", aws.ToString(read.VersionId), token(1))
		}},
		{sentence: "CreateSecret again with the same token is no error with the same value, and one with another", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			_, err := e.createAs("a", token(1), "v1")
			ok(t, err)
			for _, try := range []struct{ token, value string }{{token(1), "other"}, {token(2), "v1"}} {
				_, err = e.createAs("a", try.token, try.value)
				refused(t, err, "ResourceExistsException", "")
			}
		}},
		{sentence: "a client request token has 32 to 64 characters", aws: func(t *testing.T, e *env) {
			_, err := e.createAs("a", strings.Repeat("x", 31), "v1")
			refused(t, err, "InvalidParameterException", "32-64")
			_, err = e.createAs("a", strings.Repeat("x", 65), "v1")
			refused(t, err, "InvalidParameterException", "32-64")
		}},
		{
			sentence: "a secret value holds 65,536 bytes at most",
			aws: func(t *testing.T, e *env) {
				_, err := e.createAs("a", token(1), strings.Repeat("x", 65536))
				ok(t, err)
				_, err = e.addAs("a", 2, strings.Repeat("x", 65537))
				refused(t, err, "ValidationException", "less than or equal to 65536")
			},
			moto: func(t *testing.T, e *env) { // checks no sizes
				_, err := e.createAs("a", token(1), strings.Repeat("x", 65537))
				ok(t, err)
			},
		},
		{
			sentence: "PutSecretValue moves AWSCURRENT and AWSPREVIOUS, and a version without a label is no longer shown",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2)
				e.stages(t, "a", "1: AWSPREVIOUS", "2: AWSCURRENT")
				e.add(t, "a", 3)
				e.stages(t, "a", "2: AWSPREVIOUS", "3: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // shows versions without a label
				e.create(t, "a")
				e.add(t, "a", 2)
				e.add(t, "a", 3)
				e.stages(t, "a", "1: ", "2: AWSPREVIOUS", "3: AWSCURRENT")
			},
		},
		{sentence: "PutSecretValue with a label of one's own leaves AWSCURRENT alone", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.add(t, "a", 2, custom)
			e.stages(t, "a", "1: AWSCURRENT", "2: CANDIDATE")
			e.value(t, "a", 0, current, "v1")
			e.value(t, "a", 2, custom, "v2")
		}},
		{
			sentence: "PutSecretValue takes its labels off other versions",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2, custom)
				e.add(t, "a", 3, custom)
				e.stages(t, "a", "1: AWSCURRENT", "3: CANDIDATE")
			},
			moto: func(t *testing.T, e *env) { // does, and shows the version without a label
				e.create(t, "a")
				e.add(t, "a", 2, custom)
				e.add(t, "a", 3, custom)
				e.stages(t, "a", "1: AWSCURRENT", "2: ", "3: CANDIDATE")
			},
		},
		{sentence: "PutSecretValue again with the same token does nothing with the same value, and is refused with another", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.add(t, "a", 2)
			e.add(t, "a", 2)
			e.stages(t, "a", "1: AWSPREVIOUS", "2: AWSCURRENT")
			_, err := e.addAs("a", 2, "other")
			refused(t, err, "ResourceExistsException", "already in use")
			e.value(t, "a", 2, current, "v2")
		}},
		{
			sentence: "PutSecretValue with the token of an AWSPENDING version and another value is refused",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2, pending)
				_, err := e.addAs("a", 2, "other", pending)
				refused(t, err, "ResourceExistsException", "already in use")
				e.value(t, "a", 2, pending, "v2")
			},
			moto: func(t *testing.T, e *env) { // overwrites the version
				e.create(t, "a")
				e.add(t, "a", 2, pending)
				_, err := e.addAs("a", 2, "other", pending)
				ok(t, err)
				e.value(t, "a", 2, pending, "other")
			},
		},
		{
			sentence: "PutSecretValue leaves labels of one's own on the version that was AWSCURRENT",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				ok(t, e.move("a", custom, 0, 1))
				e.add(t, "a", 2)
				e.stages(t, "a", "1: AWSPREVIOUS CANDIDATE", "2: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // drops them
				e.create(t, "a")
				ok(t, e.move("a", custom, 0, 1))
				e.add(t, "a", 2)
				e.stages(t, "a", "1: AWSPREVIOUS", "2: AWSCURRENT")
			},
		},
		{sentence: "SecretBinary comes back as it was", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			_, err := e.secrets.PutSecretValue(background(), &secretsmanager.PutSecretValueInput{
				SecretId: aws.String(e.secret("a")), SecretBinary: []byte{0, 255, 7}, ClientRequestToken: aws.String(token(2)),
			})
			ok(t, err)
			out, err := e.read("a", 0, current)
			ok(t, err)
			equal(t, "binary", string(out.SecretBinary), "\x00\xff\x07")
			if out.SecretString != nil {
				t.Fatal("SecretString is set too")
			}
		}},
	}
}

func secretStages() []behaviour {
	return []behaviour{
		{
			sentence: "promotion moves AWSPREVIOUS to the old version and keeps AWSPENDING and other labels on the new",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2)
				e.add(t, "a", 3, pending)
				ok(t, e.move("a", custom, 0, 3))
				ok(t, e.move("a", current, 2, 3))
				e.stages(t, "a", "2: AWSPREVIOUS", "3: AWSCURRENT AWSPENDING CANDIDATE")
				ok(t, e.move("a", pending, 3, 0))
				e.stages(t, "a", "2: AWSPREVIOUS", "3: AWSCURRENT CANDIDATE")
			},
			moto: func(t *testing.T, e *env) { // does, and shows the version without a label
				e.create(t, "a")
				e.add(t, "a", 2)
				e.add(t, "a", 3, pending)
				ok(t, e.move("a", custom, 0, 3))
				ok(t, e.move("a", current, 2, 3))
				e.stages(t, "a", "1: ", "2: AWSPREVIOUS", "3: AWSCURRENT AWSPENDING CANDIDATE")
			},
		},
		{sentence: "a promotion is taken back by promoting the version before", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.add(t, "a", 2)
			ok(t, e.move("a", current, 2, 1))
			e.stages(t, "a", "1: AWSCURRENT", "2: AWSPREVIOUS")
		}},
		{
			sentence: "after a promotion a read without a label finds the new version",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2, pending)
				ok(t, e.move("a", current, 1, 2))
				e.value(t, "a", 0, "", "v2")
				equal(t, "value in a batch", e.batchValue(t, "a"), "v2")
			},
			moto: func(t *testing.T, e *env) { // finds the old one
				e.create(t, "a")
				e.add(t, "a", 2, pending)
				ok(t, e.move("a", current, 1, 2))
				e.value(t, "a", 0, "", "v1")
				equal(t, "value in a batch", e.batchValue(t, "a"), "v1")
				e.value(t, "a", 0, current, "v2")
			},
		},
		{
			sentence: "after a promotion PutSecretValue leaves one AWSCURRENT",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2, pending)
				ok(t, e.move("a", current, 1, 2))
				e.add(t, "a", 3)
				e.stages(t, "a", "2: AWSPREVIOUS", "3: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // leaves two
				e.create(t, "a")
				e.add(t, "a", 2, pending)
				ok(t, e.move("a", current, 1, 2))
				e.add(t, "a", 3)
				e.stages(t, "a", "1: AWSPREVIOUS", "2: AWSCURRENT AWSPENDING", "3: AWSCURRENT")
			},
		},
		{sentence: "AWSCURRENT is moved only by naming the version that has it", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.add(t, "a", 2)
			e.add(t, "a", 3, pending)
			refused(t, e.move("a", current, 0, 3), "InvalidParameterException", "currently attached to version "+token(2))
			refused(t, e.move("a", current, 1, 3), "InvalidParameterException", "")
			refused(t, e.move("a", current, 9, 3), "InvalidParameterException", "")
			e.stages(t, "a", "1: AWSPREVIOUS", "2: AWSCURRENT", "3: AWSPENDING")
		}},
		{
			sentence: "a move to a version that is not there is refused and changes nothing",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				refused(t, e.move("a", current, 1, 9), "InvalidParameterException", "")
				e.stages(t, "a", "1: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // refused, and AWSCURRENT is gone
				e.create(t, "a")
				refused(t, e.move("a", current, 1, 9), "InvalidParameterException", "")
				e.stages(t, "a", "1: ")
			},
		},
		{
			sentence: "a label of one's own is moved only by naming the version that has it",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.add(t, "a", 2, custom)
				refused(t, e.move("a", custom, 0, 1), "InvalidParameterException", "currently attached to version "+token(2))
				ok(t, e.move("a", custom, 2, 1))
				e.stages(t, "a", "1: AWSCURRENT CANDIDATE")
			},
			moto: func(t *testing.T, e *env) { // puts it on both
				e.create(t, "a")
				e.add(t, "a", 2, custom)
				ok(t, e.move("a", custom, 0, 1))
				e.stages(t, "a", "1: AWSCURRENT CANDIDATE", "2: CANDIDATE")
			},
		},
		{
			sentence: "AWSCURRENT cannot be taken off without a version to go to",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				refused(t, e.move("a", current, 1, 0), "InvalidParameterException", "")
				e.stages(t, "a", "1: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // can
				e.create(t, "a")
				ok(t, e.move("a", current, 1, 0))
				e.stages(t, "a", "1: AWSPREVIOUS")
			},
		},
		{
			sentence: "RotateSecret of a secret without a function is refused and changes nothing",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				_, err := e.secrets.RotateSecret(background(), &secretsmanager.RotateSecretInput{SecretId: aws.String(e.secret("a")), ClientRequestToken: aws.String(token(2))})
				refused(t, err, "InvalidRequestException", "No Lambda rotation function ARN")
				e.stages(t, "a", "1: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // makes an empty version AWSCURRENT
				e.create(t, "a")
				_, err := e.secrets.RotateSecret(background(), &secretsmanager.RotateSecretInput{SecretId: aws.String(e.secret("a")), ClientRequestToken: aws.String(token(2))})
				ok(t, err)
				e.stages(t, "a", "1: AWSPREVIOUS", "2: AWSCURRENT")
			},
		},
		{
			sentence: "RotateSecret with a function that it may not invoke is refused and makes no version",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				refused(t, e.rotate("a"), "AccessDeniedException", "cannot invoke the specified Lambda function")
				e.stages(t, "a", "1: AWSCURRENT")
			},
			moto: func(t *testing.T, e *env) { // another error, and the empty version stays
				e.create(t, "a")
				refused(t, e.rotate("a"), "ResourceNotFoundException", "")
				e.stages(t, "a", "1: AWSCURRENT", "2: AWSPENDING")
			},
		},
	}
}

func (e *env) rotate(name string) error {
	_, err := e.secrets.RotateSecret(background(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(e.secret(name)), ClientRequestToken: aws.String(token(2)),
		RotationLambdaARN: aws.String("arn:aws:lambda:sa-east-1:123456789012:function:nobody"),
		RotationRules:     &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	})
	return err
}

func (e *env) batchValue(t *testing.T, name string) string {
	t.Helper()
	out, err := e.secrets.BatchGetSecretValue(background(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{e.secret(name)}})
	ok(t, err)
	equal(t, "values", len(out.SecretValues), 1)
	return aws.ToString(out.SecretValues[0].SecretString)
}

func secretReads() []behaviour {
	return []behaviour{
		{sentence: "a secret is found by name and by ARN", aws: func(t *testing.T, e *env) {
			made, err := e.createAs("a", token(1), "v1")
			ok(t, err)
			for _, id := range []string{e.secret("a"), aws.ToString(made.ARN)} {
				out, err := e.secrets.DescribeSecret(background(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(id)})
				ok(t, err)
				equal(t, "ARN", aws.ToString(out.ARN), aws.ToString(made.ARN))
				equal(t, "name", aws.ToString(out.Name), e.secret("a"))
				_, err = e.secrets.GetSecretValue(background(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(id), VersionStage: aws.String(current)})
				ok(t, err)
			}
		}},
		{sentence: "what is not there is ResourceNotFoundException", aws: func(t *testing.T, e *env) {
			_, err := e.read("a", 0, "")
			refused(t, err, "ResourceNotFoundException", "can't find the specified secret")
			_, err = e.secrets.DescribeSecret(background(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(e.secret("a"))})
			refused(t, err, "ResourceNotFoundException", "")
			e.create(t, "a")
			_, err = e.read("a", 9, "")
			refused(t, err, "ResourceNotFoundException", "VersionId: "+token(9))
			_, err = e.read("a", 0, pending)
			refused(t, err, "ResourceNotFoundException", "")
		}},
		{
			sentence: "refusals of Secrets Manager have status 400",
			aws: func(t *testing.T, e *env) {
				_, err := e.read("a", 0, "")
				equal(t, "status", status(err), 400)
			},
			moto: func(t *testing.T, e *env) { // 404 for what is not there
				_, err := e.read("a", 0, "")
				equal(t, "status", status(err), 404)
			},
		},
		{sentence: "a label that is not on the version asked for is InvalidRequestException", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			_, err := e.read("a", 1, pending)
			refused(t, err, "InvalidRequestException", "not associated to the provided VersionId")
		}},
		{sentence: "BatchGetSecretValue gives what it can and an error for each other", aws: func(t *testing.T, e *env) {
			for _, name := range []string{"a", "b", "gone"} {
				e.create(t, name)
			}
			e.remove(t, "gone", false)
			out, err := e.secrets.BatchGetSecretValue(background(), &secretsmanager.BatchGetSecretValueInput{
				SecretIdList: []string{e.secret("b"), e.secret("none"), e.secret("a"), e.secret("gone")},
			})
			ok(t, err)
			var names, errs []string
			for _, v := range out.SecretValues {
				names = append(names, aws.ToString(v.Name)+" "+aws.ToString(v.VersionId))
			}
			for _, v := range out.Errors {
				errs = append(errs, aws.ToString(v.SecretId)+" "+aws.ToString(v.ErrorCode))
			}
			same(t, "values", names, []string{e.secret("a") + " " + token(1), e.secret("b") + " " + token(1)})
			same(t, "errors", errs, []string{e.secret("none") + " ResourceNotFoundException", e.secret("gone") + " InvalidRequestException"})
		}},
		{
			sentence: "BatchGetSecretValue reports a secret without a value as that secret's error",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				_, err := e.secrets.CreateSecret(background(), &secretsmanager.CreateSecretInput{Name: aws.String(e.secret("empty"))})
				ok(t, err)
				out, err := e.secrets.BatchGetSecretValue(background(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{e.secret("a"), e.secret("empty")}})
				ok(t, err)
				equal(t, "values", len(out.SecretValues), 1)
				equal(t, "errors", len(out.Errors), 1)
				equal(t, "code", aws.ToString(out.Errors[0].ErrorCode), "ResourceNotFoundException")
			},
			moto: func(t *testing.T, e *env) { // fails as a whole
				e.create(t, "a")
				_, err := e.secrets.CreateSecret(background(), &secretsmanager.CreateSecretInput{Name: aws.String(e.secret("empty"))})
				ok(t, err)
				_, err = e.secrets.BatchGetSecretValue(background(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{e.secret("a"), e.secret("empty")}})
				refused(t, err, "ResourceNotFoundException", "")
			},
		},
		{
			sentence: "BatchGetSecretValue takes 20 secrets at most",
			aws: func(t *testing.T, e *env) {
				_, err := e.batch(21)
				refused(t, err, "ValidationException", "less than or equal to 20")
			},
			moto: func(t *testing.T, e *env) { // takes any number
				_, err := e.batch(21)
				ok(t, err)
			},
		},
	}
}

func (e *env) batch(n int) (*secretsmanager.BatchGetSecretValueOutput, error) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = e.secret(fmt.Sprint("s", i))
	}
	return e.secrets.BatchGetSecretValue(background(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: ids})
}

func (e *env) remove(t *testing.T, name string, force bool) {
	t.Helper()
	in := &secretsmanager.DeleteSecretInput{SecretId: aws.String(e.secret(name))}
	if force {
		in.ForceDeleteWithoutRecovery = aws.Bool(true)
	}
	_, err := e.secrets.DeleteSecret(background(), in)
	ok(t, err)
}

// secretsListed pages through ListSecrets below this behaviour's prefix, by name without it.
func (e *env) secretsListed(t *testing.T, size int32) (map[string]types.SecretListEntry, int) {
	t.Helper()
	out := map[string]types.SecretListEntry{}
	p := secretsmanager.NewListSecretsPaginator(e.secrets, &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(size), Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{e.secret("")}}},
	})
	pages := 0
	for p.HasMorePages() {
		page, err := p.NextPage(background())
		ok(t, err)
		pages++
		for _, s := range page.SecretList {
			out[strings.TrimPrefix(aws.ToString(s.Name), e.secret(""))] = s
		}
	}
	return out, pages
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func secretLives() []behaviour {
	return []behaviour{
		{sentence: "ListSecrets by name finds a prefix and tells versions, tags and dates", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.add(t, "a", 2)
			_, err := e.secrets.TagResource(background(), &secretsmanager.TagResourceInput{
				SecretId: aws.String(e.secret("a")), Tags: []types.Tag{{Key: aws.String("chaveiro:paused"), Value: aws.String("true")}},
			})
			ok(t, err)
			_, err = e.secrets.CreateSecret(background(), &secretsmanager.CreateSecretInput{Name: aws.String("x/" + e.secret("a"))})
			ok(t, err)
			listed, _ := e.secretsListed(t, 100)
			same(t, "names", keys(listed), []string{"a"})
			s := listed["a"]
			equal(t, "current", sorted(s.SecretVersionsToStages[token(2)]), current)
			equal(t, "previous", sorted(s.SecretVersionsToStages[token(1)]), previous)
			equal(t, "tags", len(s.Tags), 1)
			equal(t, "tag", aws.ToString(s.Tags[0].Key)+"="+aws.ToString(s.Tags[0].Value), "chaveiro:paused=true")
			if s.CreatedDate == nil || s.LastChangedDate == nil {
				t.Fatal("no dates")
			}
		}},
		{sentence: "ListSecrets gives every secret on one page or another", aws: func(t *testing.T, e *env) {
			var want []string
			for i := range 7 {
				name := fmt.Sprint("s", i)
				e.create(t, name)
				want = append(want, name)
			}
			listed, pages := e.secretsListed(t, 3)
			same(t, "names", keys(listed), want)
			if pages < 3 {
				t.Fatalf("%d pages of 3 for 7 secrets", pages)
			}
		}},
		{
			sentence: "ListSecrets answers 100 a page at most",
			aws: func(t *testing.T, e *env) {
				_, err := e.secrets.ListSecrets(background(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)})
				refused(t, err, "ValidationException", "less than or equal to 100")
			},
			moto: func(t *testing.T, e *env) { // any number
				_, err := e.secrets.ListSecrets(background(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)})
				ok(t, err)
			},
		},
		{sentence: "a secret scheduled for deletion is described, not listed and not read, until it is restored", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.create(t, "b")
			e.remove(t, "a", false)
			listed, _ := e.secretsListed(t, 100)
			same(t, "names", keys(listed), []string{"b"})
			out, err := e.secrets.DescribeSecret(background(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(e.secret("a"))})
			ok(t, err)
			if out.DeletedDate == nil {
				t.Fatal("no DeletedDate")
			}
			_, err = e.read("a", 0, current)
			refused(t, err, "InvalidRequestException", "")
			_, err = e.secrets.RestoreSecret(background(), &secretsmanager.RestoreSecretInput{SecretId: aws.String(e.secret("a"))})
			ok(t, err)
			e.value(t, "a", 0, current, "v1")
			listed, _ = e.secretsListed(t, 100)
			same(t, "names", keys(listed), []string{"a", "b"})
		}},
		{
			sentence: "the name of a secret scheduled for deletion is taken",
			aws: func(t *testing.T, e *env) {
				e.create(t, "a")
				e.remove(t, "a", false)
				_, err := e.createAs("a", token(2), "v2")
				refused(t, err, "InvalidRequestException", "scheduled for deletion")
				_, err = e.addAs("a", 2, "v2")
				refused(t, err, "InvalidRequestException", "marked for deletion")
			},
			moto: func(t *testing.T, e *env) { // another error, and a value can be put
				e.create(t, "a")
				e.remove(t, "a", false)
				_, err := e.createAs("a", token(2), "v2")
				refused(t, err, "ResourceExistsException", "")
				_, err = e.addAs("a", 2, "v2")
				ok(t, err)
			},
		},
		{sentence: "a secret deleted without recovery is gone and its name free", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			e.remove(t, "a", true)
			_, err := e.read("a", 0, current)
			refused(t, err, "ResourceNotFoundException", "")
			_, err = e.createAs("a", token(2), "v2")
			ok(t, err)
			e.stages(t, "a", "2: AWSCURRENT")
		}},
		{sentence: "UntagResource takes a tag off again", aws: func(t *testing.T, e *env) {
			e.create(t, "a")
			id := aws.String(e.secret("a"))
			for _, v := range []string{"1", "2"} {
				_, err := e.secrets.TagResource(background(), &secretsmanager.TagResourceInput{
					SecretId: id, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String(v)}, {Key: aws.String("other"), Value: aws.String("x")}},
				})
				ok(t, err)
			}
			_, err := e.secrets.UntagResource(background(), &secretsmanager.UntagResourceInput{SecretId: id, TagKeys: []string{"other"}})
			ok(t, err)
			out, err := e.secrets.DescribeSecret(background(), &secretsmanager.DescribeSecretInput{SecretId: id})
			ok(t, err)
			equal(t, "tags", len(out.Tags), 1)
			equal(t, "value", aws.ToString(out.Tags[0].Value), "2")
		}},
	}
}
