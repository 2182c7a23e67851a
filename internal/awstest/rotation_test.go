package awstest_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

const rotator = "arn:aws:lambda:sa-east-1:123456789012:function:rotator"

func version(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func rotate(c *secretsmanager.Client, n int, arn string) error {
	in := &secretsmanager.RotateSecretInput{SecretId: aws.String("a"), ClientRequestToken: aws.String(version(n))}
	if arn != "" {
		in.RotationLambdaARN = aws.String(arn)
	}
	_, err := c.RotateSecret(bg, in)
	return err
}

// rotating is a secret "a" whose rotation is under way with version 1 pending and empty.
func rotating(t *testing.T) (*awstest.World, *secretsmanager.Client, string) {
	t.Helper()
	w := new(awstest.World)
	w.AllowRotation(rotator)
	first := must[string](t)(w.PutSecret("a", "old"))
	_, secrets := clients(w)
	check(t, rotate(secrets, 1, rotator))
	return w, secrets, first
}

func stages(t *testing.T, w *awstest.World, want map[string]string) {
	t.Helper()
	s, _ := w.Secret("a")
	if !maps.Equal(s.Stages, want) {
		t.Errorf("stages %v, want %v", s.Stages, want)
	}
}

func putPending(c *secretsmanager.Client, n int, value string, labels ...string) error {
	return putSecret(c, version(n), value, labels...)
}

func putSecret(c *secretsmanager.Client, id, value string, labels ...string) error {
	_, err := c.PutSecretValue(bg, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("a"), SecretString: aws.String(value), ClientRequestToken: aws.String(id), VersionStages: labels,
	})
	return err
}

func TestRotationMakesAnEmptyPendingVersion(t *testing.T) {
	w, secrets, first := rotating(t)
	stages(t, w, map[string]string{"AWSCURRENT": first, "AWSPENDING": version(1)})
	for _, in := range []*secretsmanager.GetSecretValueInput{
		{VersionStage: aws.String("AWSPENDING")}, {VersionStage: aws.String("AWSPENDING"), VersionId: aws.String(version(1))},
	} {
		in.SecretId = aws.String("a")
		_, err := secrets.GetSecretValue(bg, in)
		if code(err) != "ResourceNotFoundException" || !strings.Contains(err.Error(), "staging label: AWSPENDING") {
			t.Errorf("read of an empty version: %v", err)
		}
	}
	out := must[*secretsmanager.DescribeSecretOutput](t)(secrets.DescribeSecret(bg, &secretsmanager.DescribeSecretInput{SecretId: aws.String("a")}))
	if !aws.ToBool(out.RotationEnabled) || aws.ToString(out.RotationLambdaARN) != rotator {
		t.Errorf("described as %v %v", out.RotationEnabled, aws.ToString(out.RotationLambdaARN))
	}
}

func TestRotationEndsWithThePendingLabelGone(t *testing.T) {
	w, secrets, first := rotating(t)
	if w.EndRotation("a") {
		t.Error("ended before the promotion")
	}
	check(t, putPending(secrets, 1, "new", "AWSPENDING"))
	check(t, w.MoveStage("a", "AWSCURRENT", version(1)))
	stages(t, w, map[string]string{"AWSCURRENT": version(1), "AWSPENDING": version(1), "AWSPREVIOUS": first})
	if !w.EndRotation("a") {
		t.Error("not ended")
	}
	stages(t, w, map[string]string{"AWSCURRENT": version(1), "AWSPREVIOUS": first})
	if s, _ := w.Secret("a"); s.LastRotated.IsZero() || s.RotationsAbandoned != 0 {
		t.Errorf("last rotated %v, abandoned %d", s.LastRotated, s.RotationsAbandoned)
	}
	check(t, rotate(secrets, 2, "")) // the function is remembered
}

func TestAPendingVersionBlocksTheNextRotationUntilItIsDetached(t *testing.T) {
	w, secrets, _ := rotating(t)
	if err := rotate(secrets, 2, ""); code(err) != "InvalidRequestException" || !strings.Contains(err.Error(), "A previous rotation isn't complete") {
		t.Errorf("second rotation: %v", err)
	}
	check(t, w.MoveStage("a", "AWSPENDING", ""))
	check(t, rotate(secrets, 2, ""))
}

func TestAPendingLabelOnTheCurrentVersionBlocksNothing(t *testing.T) {
	w, secrets, _ := rotating(t)
	check(t, putPending(secrets, 1, "new", "AWSPENDING"))
	check(t, w.MoveStage("a", "AWSCURRENT", version(1)))
	check(t, rotate(secrets, 2, ""))
}

func TestAVersionByHandAbandonsTheRotation(t *testing.T) {
	for _, label := range []string{"", "CANDIDATE"} {
		t.Run("labelled "+label, func(t *testing.T) {
			w, _, _ := rotating(t)
			must[string](t)(w.StageSecret("a", label, "by hand"))
			s, _ := w.Secret("a")
			if _, pending := s.Stages["AWSPENDING"]; pending || s.RotationsAbandoned != 1 {
				t.Errorf("stages %v, abandoned %d", s.Stages, s.RotationsAbandoned)
			}
		})
	}
}

func TestTheDemotedVersionLosesThePendingLabel(t *testing.T) {
	w := new(awstest.World)
	first := must[string](t)(w.PutSecret("a", "old"))
	check(t, w.MoveStage("a", "AWSPENDING", first))
	_, secrets := clients(w)
	check(t, putPending(secrets, 2, "new", "AWSCURRENT"))
	stages(t, w, map[string]string{"AWSCURRENT": version(2), "AWSPREVIOUS": first})
}

func TestASecretHasTwentyLabelsAtMost(t *testing.T) {
	w := new(awstest.World)
	first := must[string](t)(w.PutSecret("a", "x"))
	for i := range 19 {
		check(t, w.MoveStage("a", fmt.Sprint("L", i), first))
	}
	if err := w.MoveStage("a", "L19", first); err == nil || !strings.Contains(err.Error(), "LimitExceededException") {
		t.Errorf("21st label: %v", err)
	}
	_, secrets := clients(w)
	if err := putPending(secrets, 2, "new", "L19"); code(err) != "LimitExceededException" {
		t.Errorf("21st label with a put: %v", err)
	}
	if s, _ := w.Secret("a"); len(s.Versions) != 1 {
		t.Error("a refused put left a version")
	}
}

func TestAVersionWithoutALabelIsStillReadByID(t *testing.T) {
	w := new(awstest.World)
	first := must[string](t)(w.PutSecret("a", "v1"))
	for range 2 {
		must[string](t)(w.PutSecret("a", "x"))
	}
	_, secrets := clients(w)
	out := must[*secretsmanager.GetSecretValueOutput](t)(secrets.GetSecretValue(bg, &secretsmanager.GetSecretValueInput{SecretId: aws.String("a"), VersionId: aws.String(first)}))
	if aws.ToString(out.SecretString) != "v1" || len(out.VersionStages) != 0 {
		t.Errorf("stages %v", out.VersionStages)
	}
}
