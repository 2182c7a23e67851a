// Package archtest_test holds the rules of ARCHITECTURE.md that a compiler does not check.
package archtest_test

// row says what the non-test files of a package may import beside the standard library. Names are separated by blanks. A name that ends with
// /... stands for a package and for all below it.
type row struct {
	files   string // of this package
	ours    string // packages of this module
	foreign string // packages of others
}

const (
	awsSDK    = "github.com/aws/aws-sdk-go-v2/... github.com/aws/smithy-go/..."
	awsCore   = "github.com/aws/aws-sdk-go-v2/aws/... github.com/aws/smithy-go/..."
	lambdaSDK = "github.com/aws/aws-lambda-go/..."

	adapters = "internal/dynamostate internal/ssmstore internal/smsecret"
	useCases = "internal/refresh internal/rotate internal/probe"
	domain   = "internal/store internal/connection internal/provider internal/lifecycle internal/message pkg/oauth"
)

// table is the import table of ARCHITECTURE.md. A package without a row fails the test, so that its place is decided and does not just happen.
func table() []row {
	return []row{
		{"pkg/oauth", "", ""},
		{"internal/store", "pkg/oauth", ""},
		{"internal/provider", "pkg/oauth", ""},
		{"internal/connection", "internal/provider pkg/oauth", ""},
		{"internal/lifecycle", "", ""},
		{"internal/schedule", "", ""},
		{"internal/event", "", ""},
		{"internal/message", "internal/lifecycle internal/store internal/connection internal/provider pkg/oauth", ""},
		{"internal/acquire", domain, ""},
		{"internal/publish", "internal/lifecycle internal/store pkg/oauth", ""},
		{"internal/refresh", domain + " internal/schedule internal/acquire internal/publish internal/event", ""},
		{"internal/rotate", domain + " internal/refresh internal/acquire internal/publish internal/event", ""},
		{"internal/probe", domain + " internal/event", ""},
		{"internal/report", useCases + " internal/store internal/lifecycle internal/message internal/connection pkg/oauth", ""},
		{"internal/environment", "", ""},

		{"internal/awserr", "internal/store pkg/oauth", awsCore},
		{"internal/dynamostate", "internal/awserr " + domain, awsCore + " github.com/aws/aws-sdk-go-v2/service/dynamodb/..."},
		{"internal/ssmstore", "internal/awserr " + domain, awsCore + " github.com/aws/aws-sdk-go-v2/service/ssm/..."},
		{"internal/smsecret", "internal/awserr " + domain, awsCore + " github.com/aws/aws-sdk-go-v2/service/secretsmanager/..."},
		{"internal/wire", "internal/acquire internal/publish internal/environment " + adapters + " " + useCases + " " + domain, awsSDK},

		{"functions/...", "internal/wire internal/environment internal/report " + adapters + " " + useCases + " " + domain, lambdaSDK + " " + awsSDK},
		{"cmd/bench/...", "internal/... pkg/...", lambdaSDK + " " + awsSDK},
		{"cmd/dashboard", "internal/report", ""},
		{"cmd/demo", "internal/... pkg/...", awsSDK},

		{"pkg/oauth/oauthtest", "pkg/oauth", ""},
		{"internal/awstest/...", "internal/awstest pkg/oauth", awsSDK},
		{"internal/lambdatest", "", ""},
		{"internal/scenario", "internal/... pkg/...", "golang.org/x/tools/txtar"},
	}
}
