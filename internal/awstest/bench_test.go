package awstest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func BenchmarkPutParameter(b *testing.B) {
	w := &awstest.World{HistoryLimit: 2}
	c := ssm.NewFromConfig(w.Config())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, err := c.PutParameter(context.Background(), &ssm.PutParameterInput{
			Name: aws.String(fmt.Sprintf("/oauth/tenant-%d/access_token", i%1000)), Value: aws.String("v"),
			Type: ssmtypes.ParameterTypeSecureString, Overwrite: aws.Bool(true),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDescribe10000Parameters(b *testing.B) {
	w := &awstest.World{StandardLimit: 20000}
	for i := range 10000 {
		if _, err := w.WriteParameter(fmt.Sprintf("/oauth/tenant-%d/access_token", i), awstest.ParameterWrite{Value: "v", Description: `{"v":1}`}); err != nil {
			b.Fatal(err)
		}
	}
	c := ssm.NewFromConfig(w.Config())
	b.ReportAllocs()
	for b.Loop() {
		p := ssm.NewDescribeParametersPaginator(c, &ssm.DescribeParametersInput{MaxResults: aws.Int32(50)})
		n := 0
		for p.HasMorePages() {
			page, err := p.NextPage(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			n += len(page.Parameters)
		}
		if n != 10000 {
			b.Fatalf("listed %d", n)
		}
	}
}
