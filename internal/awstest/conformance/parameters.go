package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const value = "canary-value-0123456789"

// put writes a SecureString; change alters the call.
func (e *env) put(name string, change ...func(*ssm.PutParameterInput)) (*ssm.PutParameterOutput, error) {
	in := &ssm.PutParameterInput{Name: aws.String(e.parameter(name)), Value: aws.String(value), Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)}
	for _, f := range change {
		f(in)
	}
	return e.ssm.PutParameter(background(), in)
}

func described(text string) func(*ssm.PutParameterInput) {
	return func(in *ssm.PutParameterInput) { in.Description = aws.String(text) }
}

func sized(n int, tier types.ParameterTier) func(*ssm.PutParameterInput) {
	return func(in *ssm.PutParameterInput) { in.Value, in.Tier = aws.String(strings.Repeat("x", n)), tier }
}

func typed(typ types.ParameterType) func(*ssm.PutParameterInput) {
	return func(in *ssm.PutParameterInput) { in.Type = typ }
}

func named(name string) func(*ssm.PutParameterInput) {
	return func(in *ssm.PutParameterInput) { in.Name = aws.String(name) }
}

func keyed(key string) func(*ssm.PutParameterInput) {
	return func(in *ssm.PutParameterInput) { in.KeyId = aws.String(key) }
}

// listed is one parameter's entry in DescribeParameters.
func (e *env) listed(t *testing.T, name string) types.ParameterMetadata {
	t.Helper()
	var found []types.ParameterMetadata
	p := ssm.NewDescribeParametersPaginator(e.ssm, &ssm.DescribeParametersInput{
		MaxResults: aws.Int32(50),
		ParameterFilters: []types.ParameterStringFilter{
			{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{e.parameter(name)}},
		},
	})
	for p.HasMorePages() {
		out, err := p.NextPage(background())
		ok(t, err)
		found = append(found, out.Parameters...)
	}
	equal(t, "entries", len(found), 1)
	return found[0]
}

func parameterWrites() []behaviour {
	return []behaviour{
		{sentence: "PutParameter begins at version 1 and adds one with each overwrite", aws: func(t *testing.T, e *env) {
			for want := int64(1); want <= 3; want++ {
				out, err := e.put("a")
				ok(t, err)
				equal(t, "version", out.Version, want)
			}
		}},
		{sentence: "PutParameter without Overwrite refuses a name that is taken", aws: func(t *testing.T, e *env) {
			_, err := e.put("a")
			ok(t, err)
			_, err = e.put("a", func(in *ssm.PutParameterInput) { in.Overwrite = nil })
			refused(t, err, "ParameterAlreadyExists", "set the overwrite option")
		}},
		{sentence: "PutParameter wants a type for a new parameter and keeps it afterwards", aws: func(t *testing.T, e *env) {
			_, err := e.put("a", typed(""), func(in *ssm.PutParameterInput) { in.Overwrite = nil })
			refused(t, err, "ValidationException", "type is required")
			_, err = e.put("a")
			ok(t, err)
			_, err = e.put("a", typed(""))
			ok(t, err)
			equal(t, "type", e.listed(t, "a").Type, types.ParameterTypeSecureString)
		}},
		{
			sentence: "PutParameter refuses another type than the parameter has",
			aws: func(t *testing.T, e *env) {
				_, err := e.put("a", typed(types.ParameterTypeString))
				ok(t, err)
				_, err = e.put("a")
				refused(t, err, "HierarchyTypeMismatchException", "")
				equal(t, "type", e.listed(t, "a").Type, types.ParameterTypeString)
			},
			moto: func(t *testing.T, e *env) { // changes the type
				_, err := e.put("a", typed(types.ParameterTypeString))
				ok(t, err)
				_, err = e.put("a")
				ok(t, err)
				equal(t, "type", e.listed(t, "a").Type, types.ParameterTypeSecureString)
			},
		},
		{
			sentence: "PutParameter refuses a Description of more than 1,024 characters",
			aws: func(t *testing.T, e *env) {
				_, err := e.put("a", described(strings.Repeat("é", 1024)))
				ok(t, err)
				_, err = e.put("a", described(strings.Repeat("x", 1025)))
				refused(t, err, "ValidationException", "less than or equal to 1024")
			},
			moto: func(t *testing.T, e *env) { // checks no sizes
				_, err := e.put("a", described(strings.Repeat("x", 1025)))
				ok(t, err)
			},
		},
		{
			sentence: "PutParameter refuses a standard value over 4,096 bytes and any over 8,192",
			aws: func(t *testing.T, e *env) {
				_, err := e.put("a", sized(4096, types.ParameterTierStandard))
				ok(t, err)
				_, err = e.put("a", sized(4097, types.ParameterTierStandard))
				refused(t, err, "ValidationException", "4096 characters")
				_, err = e.put("a", sized(4097, ""))
				refused(t, err, "ValidationException", "4096 characters")
				_, err = e.put("a", sized(8192, types.ParameterTierAdvanced))
				ok(t, err)
				for _, tier := range []types.ParameterTier{types.ParameterTierAdvanced, types.ParameterTierIntelligentTiering} {
					_, err = e.put("a", sized(8193, tier))
					refused(t, err, "ValidationException", "8192 characters")
				}
			},
			moto: func(t *testing.T, e *env) { // checks no sizes
				_, err := e.put("a", sized(8193, types.ParameterTierStandard))
				ok(t, err)
			},
		},
		{
			sentence: "Intelligent-Tiering picks the tier by size and never goes back",
			aws: func(t *testing.T, e *env) {
				for _, step := range []struct {
					size int
					want types.ParameterTier
				}{{4096, types.ParameterTierStandard}, {4097, types.ParameterTierAdvanced}, {1, types.ParameterTierAdvanced}} {
					out, err := e.put("a", sized(step.size, types.ParameterTierIntelligentTiering))
					ok(t, err)
					equal(t, fmt.Sprintf("tier of %d bytes", step.size), out.Tier, step.want)
					equal(t, "tier listed", e.listed(t, "a").Tier, step.want)
				}
				_, err := e.put("a", sized(1, types.ParameterTierStandard))
				refused(t, err, "ValidationException", "downgrade")
			},
			moto: func(t *testing.T, e *env) { // picks nothing
				out, err := e.put("a", sized(1, types.ParameterTierIntelligentTiering))
				ok(t, err)
				equal(t, "tier", out.Tier, types.ParameterTierIntelligentTiering)
			},
		},
		{sentence: "PutParameter refuses names that begin with aws or ssm", aws: func(t *testing.T, e *env) {
			for name, code := range map[string]string{"/aws/" + e.id: "AccessDeniedException", "awsfoo": "ValidationException", "/ssm/" + e.id: "ValidationException", "SSMfoo": "ValidationException"} {
				_, err := e.put("", named(name))
				refused(t, err, code, "")
			}
		}},
		{
			sentence: "PutParameter refuses a name that is no path",
			aws: func(t *testing.T, e *env) {
				for _, name := range []string{e.parameter("a b"), e.parameter("a//b"), e.parameter("a/"), e.id + "/a"} {
					_, err := e.put("", named(name))
					refused(t, err, "ValidationException", "")
				}
				_, err := e.put("", named(e.parameter(strings.Repeat("a/", 14)+"a")))
				refused(t, err, "HierarchyLevelLimitExceededException", "15")
			},
			moto: func(t *testing.T, e *env) { // checks no paths
				_, err := e.put("", named(e.parameter("a//b c")))
				ok(t, err)
			},
		},
		{
			sentence: "PutParameter refuses a value that holds {{…}}",
			aws: func(t *testing.T, e *env) {
				_, err := e.put("a", func(in *ssm.PutParameterInput) { in.Value = aws.String("a{{b}}c") })
				refused(t, err, "ValidationException", "can't nest another parameter")
			},
			moto: func(t *testing.T, e *env) { // takes it
				_, err := e.put("a", func(in *ssm.PutParameterInput) { in.Value = aws.String("a{{b}}c") })
				ok(t, err)
			},
		},
		{sentence: "PutParameter refuses an empty value", aws: func(t *testing.T, e *env) {
			_, err := e.put("a", func(in *ssm.PutParameterInput) { in.Value = aws.String("") })
			refused(t, err, "ValidationException", "greater than or equal to 1")
		}},
		{sentence: "PutParameter keeps a description that is not sent, and drops one that is sent empty", aws: func(t *testing.T, e *env) {
			_, err := e.put("a", described("kept"))
			ok(t, err)
			_, err = e.put("a")
			ok(t, err)
			equal(t, "description", aws.ToString(e.listed(t, "a").Description), "kept")
			_, err = e.put("a", described(""))
			ok(t, err)
			equal(t, "description", aws.ToString(e.listed(t, "a").Description), "")
		}},
		{
			sentence: "PutParameter encrypts with alias/aws/ssm when no key is sent, whatever the version before had",
			aws: func(t *testing.T, e *env) {
				_, err := e.put("a", keyed("alias/own"))
				ok(t, err)
				equal(t, "key", aws.ToString(e.listed(t, "a").KeyId), "alias/own")
				_, err = e.put("a")
				ok(t, err)
				equal(t, "key", aws.ToString(e.listed(t, "a").KeyId), "alias/aws/ssm")
			},
			moto: func(t *testing.T, e *env) { // keeps the key of the version before
				_, err := e.put("a", keyed("alias/own"))
				ok(t, err)
				_, err = e.put("a")
				ok(t, err)
				equal(t, "key", aws.ToString(e.listed(t, "a").KeyId), "alias/own")
			},
		},
		{sentence: "DeleteParameter refuses a name that is not there; a name that is used again begins at version 1", aws: func(t *testing.T, e *env) {
			in := &ssm.DeleteParameterInput{Name: aws.String(e.parameter("a"))}
			_, err := e.ssm.DeleteParameter(background(), in)
			refused(t, err, "ParameterNotFound", "")
			_, err = e.put("a")
			ok(t, err)
			_, err = e.ssm.DeleteParameter(background(), in)
			ok(t, err)
			out, err := e.put("a")
			ok(t, err)
			equal(t, "version", out.Version, 1)
		}},
		{sentence: "DeleteParameters tells what it deleted and what was not there", aws: func(t *testing.T, e *env) {
			_, err := e.put("a")
			ok(t, err)
			out, err := e.ssm.DeleteParameters(background(), &ssm.DeleteParametersInput{Names: []string{e.parameter("a"), e.parameter("b")}})
			ok(t, err)
			same(t, "deleted", out.DeletedParameters, []string{e.parameter("a")})
			same(t, "not there", out.InvalidParameters, []string{e.parameter("b")})
		}},
		{
			sentence: "DeleteParameters takes ten names at most",
			aws: func(t *testing.T, e *env) {
				_, err := e.ssm.DeleteParameters(background(), &ssm.DeleteParametersInput{Names: e.many(11)})
				refused(t, err, "ValidationException", "less than or equal to 10")
			},
			moto: func(t *testing.T, e *env) { // takes any number
				_, err := e.ssm.DeleteParameters(background(), &ssm.DeleteParametersInput{Names: e.many(11)})
				ok(t, err)
			},
		},
	}
}

// many are n names of parameters.
func (e *env) many(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = e.parameter(fmt.Sprintf("many/%03d", i))
	}
	return names
}

func (e *env) get(names []string, decrypt bool) (*ssm.GetParametersOutput, error) {
	return e.ssm.GetParameters(background(), &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(decrypt)})
}

func parameterReads() []behaviour {
	return []behaviour{
		{sentence: "GetParameters gives values in clear when asked, and names what is not there without an error", aws: func(t *testing.T, e *env) {
			_, err := e.put("a", described("not told"))
			ok(t, err)
			out, err := e.get([]string{e.parameter("b"), e.parameter("a")}, true)
			ok(t, err)
			equal(t, "parameters", len(out.Parameters), 1)
			p := out.Parameters[0]
			equal(t, "value", aws.ToString(p.Value), value)
			equal(t, "version", p.Version, 1)
			equal(t, "type", p.Type, types.ParameterTypeSecureString)
			same(t, "not there", out.InvalidParameters, []string{e.parameter("b")})
			if strings.Contains(string(e.last.body), "not told") {
				t.Fatal("GetParameters tells a description; AWS does not")
			}
		}},
		{
			sentence: "GetParameters without decryption gives ciphertext that does not hold the value",
			aws: func(t *testing.T, e *env) {
				_, err := e.put("a")
				ok(t, err)
				out, err := e.get([]string{e.parameter("a")}, false)
				ok(t, err)
				got := aws.ToString(out.Parameters[0].Value)
				if !strings.HasPrefix(got, "AQIC") || strings.Contains(got, value) {
					t.Fatalf("not a ciphertext: %d bytes", len(got))
				}
			},
			moto: func(t *testing.T, e *env) { // encrypts nothing
				_, err := e.put("a")
				ok(t, err)
				out, err := e.get([]string{e.parameter("a")}, false)
				ok(t, err)
				equal(t, "value", aws.ToString(out.Parameters[0].Value), "kms:alias/aws/ssm:"+value)
			},
		},
		{sentence: "GetParameters takes ten names at most", aws: func(t *testing.T, e *env) {
			_, err := e.get(e.many(10), false)
			ok(t, err)
			_, err = e.get(e.many(11), false)
			refused(t, err, "ValidationException", "less than or equal to 10")
		}},
		{sentence: "GetParameter reads the latest version, or the one that the name asks for", aws: func(t *testing.T, e *env) {
			for i := range 3 {
				_, err := e.put("a", typed(types.ParameterTypeString), func(in *ssm.PutParameterInput) { in.Value = aws.String(fmt.Sprint("v", i+1)) })
				ok(t, err)
			}
			for suffix, want := range map[string]string{"": "v3", ":2": "v2"} {
				out, err := e.ssm.GetParameter(background(), &ssm.GetParameterInput{Name: aws.String(e.parameter("a") + suffix)})
				ok(t, err)
				equal(t, "value", aws.ToString(out.Parameter.Value), want)
			}
			_, err := e.ssm.GetParameter(background(), &ssm.GetParameterInput{Name: aws.String(e.parameter("a") + ":9")})
			refused(t, err, "ParameterVersionNotFound", "could not find version 9")
			_, err = e.ssm.GetParameter(background(), &ssm.GetParameterInput{Name: aws.String(e.parameter("b"))})
			refused(t, err, "ParameterNotFound", "")
		}},
		{sentence: "100 versions of a parameter are kept, the oldest goes first", aws: func(t *testing.T, e *env) {
			for range 102 {
				_, err := e.put("a")
				ok(t, err)
			}
			var versions []int64
			p := ssm.NewGetParameterHistoryPaginator(e.ssm, &ssm.GetParameterHistoryInput{Name: aws.String(e.parameter("a"))})
			for p.HasMorePages() {
				page, err := p.NextPage(background())
				ok(t, err)
				for _, v := range page.Parameters {
					versions = append(versions, v.Version)
				}
			}
			equal(t, "versions kept", len(versions), 100)
			equal(t, "oldest", versions[0], 3)
			equal(t, "newest", versions[99], 102)
		}},
	}
}

func by(key, option string, values ...string) types.ParameterStringFilter {
	return types.ParameterStringFilter{Key: aws.String(key), Option: aws.String(option), Values: values}
}

// list pages through DescribeParameters and returns names without this behaviour's prefix, and the size of each page.
func (e *env) list(t *testing.T, size int32, filters ...types.ParameterStringFilter) (names []string, pages []int) {
	t.Helper()
	p := ssm.NewDescribeParametersPaginator(e.ssm, &ssm.DescribeParametersInput{MaxResults: aws.Int32(size), ParameterFilters: filters})
	for p.HasMorePages() {
		page, err := p.NextPage(background())
		ok(t, err)
		pages = append(pages, len(page.Parameters))
		for _, v := range page.Parameters {
			names = append(names, strings.TrimPrefix(aws.ToString(v.Name), e.parameter("")))
		}
	}
	return names, pages
}

// tree writes the parameters that the filters are tried on.
func (e *env) tree(t *testing.T) {
	t.Helper()
	for name, typ := range map[string]types.ParameterType{
		"shop/a/access_token": types.ParameterTypeSecureString, "shop/a/account_id": types.ParameterTypeString,
		"shop/a/refresh_failure": types.ParameterTypeString, "shop/b/access_token": types.ParameterTypeSecureString, "shopx": types.ParameterTypeString,
	} {
		_, err := e.put(name, typed(typ))
		ok(t, err)
	}
}

// crowd writes and lists more than two pages of parameters.
func (e *env) crowd(t *testing.T, size int32) (names []string, pages []int) {
	t.Helper()
	for i := range 150 {
		_, err := e.put(fmt.Sprintf("p%03d", i))
		ok(t, err)
	}
	names, pages = e.list(t, size, by("Path", "Recursive", strings.TrimSuffix(e.parameter(""), "/")))
	equal(t, "all", len(names), 150)
	return names, pages
}

func parameterListings() []behaviour {
	return []behaviour{
		{sentence: "DescribeParameters tells description, version, type, key and date", aws: func(t *testing.T, e *env) {
			_, err := e.put("a", described("first"))
			ok(t, err)
			_, err = e.put("a", described(`{"v":1,"x":"é<&>"}`))
			ok(t, err)
			p := e.listed(t, "a")
			equal(t, "description", aws.ToString(p.Description), `{"v":1,"x":"é<&>"}`)
			equal(t, "version", p.Version, 2)
			equal(t, "type", p.Type, types.ParameterTypeSecureString)
			equal(t, "key", aws.ToString(p.KeyId), "alias/aws/ssm")
			if p.LastModifiedDate == nil || p.LastModifiedDate.IsZero() {
				t.Fatal("no LastModifiedDate")
			}
		}},
		{sentence: "DescribeParameters never tells a value", aws: func(t *testing.T, e *env) {
			_, err := e.put("a")
			ok(t, err)
			e.listed(t, "a")
			if strings.Contains(string(e.last.body), value) || strings.Contains(string(e.last.body), `"Value"`) {
				t.Fatal("the answer holds a value")
			}
		}},
		{
			sentence: "DescribeParameters answers up to 50 a page and refuses 51",
			aws: func(t *testing.T, e *env) {
				_, pages := e.crowd(t, 50)
				equal(t, "largest page", slices.Max(pages), 50)
				_, err := e.ssm.DescribeParameters(background(), &ssm.DescribeParametersInput{MaxResults: aws.Int32(51)})
				refused(t, err, "ValidationException", "less than or equal to 50")
			},
			moto: func(t *testing.T, e *env) { // 10 a page, whatever MaxResults says
				_, pages := e.crowd(t, 51)
				equal(t, "largest page", slices.Max(pages), 10)
			},
		},
		{
			sentence: "DescribeParameters filters after it has cut a page, so that pages may be empty",
			aws: func(t *testing.T, e *env) {
				names, _ := e.crowd(t, 50)
				_, pages := e.list(t, 50, by("Name", "Equals", e.parameter(names[len(names)-1])))
				if len(pages) < 3 || slices.Min(pages) != 0 {
					t.Fatalf("pages of %v", pages)
				}
			},
			moto: func(t *testing.T, e *env) { // filters before
				names, _ := e.crowd(t, 50)
				_, pages := e.list(t, 50, by("Name", "Equals", e.parameter(names[len(names)-1])))
				equal(t, "pages", len(pages), 1)
			},
		},
		{sentence: "DescribeParameters by Path lists what is below, one level or all", aws: func(t *testing.T, e *env) {
			e.tree(t)
			names, _ := e.list(t, 50, by("Path", "Recursive", e.parameter("shop")))
			same(t, "recursive", names, []string{"shop/a/access_token", "shop/a/account_id", "shop/a/refresh_failure", "shop/b/access_token"})
			names, _ = e.list(t, 50, by("Path", "OneLevel", e.parameter("shop/a"), e.parameter("shop/b")))
			same(t, "one level", names, []string{"shop/a/access_token", "shop/a/account_id", "shop/a/refresh_failure", "shop/b/access_token"})
			names, _ = e.list(t, 50, by("Path", "OneLevel", e.parameter("shop")))
			same(t, "one level of a folder of folders", names, nil)
		}},
		{sentence: "DescribeParameters takes Path (Recursive) and Name (Contains, two values) in one call", aws: func(t *testing.T, e *env) {
			e.tree(t)
			names, _ := e.list(t, 50, by("Path", "Recursive", e.parameter("shop")), by("Name", "Contains", "/access_token", "/refresh_failure"))
			same(t, "names", names, []string{"shop/a/access_token", "shop/a/refresh_failure", "shop/b/access_token"})
		}},
		{sentence: "DescribeParameters ANDs filters and ORs the values of one", aws: func(t *testing.T, e *env) {
			e.tree(t)
			names, _ := e.list(t, 50, by("Path", "Recursive", e.parameter("shop")), by("Name", "Contains", "token", "failure"), by("Type", "Equals", "String"))
			same(t, "path, name and type", names, []string{"shop/a/refresh_failure"})
			names, _ = e.list(t, 50, by("Name", "Equals", e.parameter("shopx"), e.parameter("shop/a/account_id"), e.parameter("none")))
			same(t, "names", names, []string{"shopx", "shop/a/account_id"})
			names, _ = e.list(t, 50, by("Name", "BeginsWith", e.parameter("shop/b"), e.parameter("shopx")))
			same(t, "beginnings", names, []string{"shop/b/access_token", "shopx"})
			names, _ = e.list(t, 50, by("Name", "BeginsWith", e.parameter("shop")), by("Type", "Equals", "SecureString"))
			same(t, "beginning and type", names, []string{"shop/a/access_token", "shop/b/access_token"})
		}},
		{sentence: "DescribeParameters refuses a filter twice, an unknown key, an unknown option and no values", aws: func(t *testing.T, e *env) {
			for _, row := range []struct {
				code    string
				filters []types.ParameterStringFilter
			}{
				{"InvalidFilterKey", []types.ParameterStringFilter{by("Name", "Equals", "a"), by("Name", "Equals", "b")}},
				{"InvalidFilterKey", []types.ParameterStringFilter{by("Label", "Equals", "a")}},
				{"InvalidFilterOption", []types.ParameterStringFilter{by("Path", "Equals", "/a")}},
				{"InvalidFilterOption", []types.ParameterStringFilter{by("Type", "Contains", "String")}},
				{"InvalidFilterValue", []types.ParameterStringFilter{by("Name", "Equals")}},
			} {
				_, err := e.ssm.DescribeParameters(background(), &ssm.DescribeParametersInput{ParameterFilters: row.filters})
				refused(t, err, row.code, "")
			}
		}},
		{
			sentence: "DescribeParameters refuses a token that it did not give",
			aws: func(t *testing.T, e *env) {
				_, err := e.ssm.DescribeParameters(background(), &ssm.DescribeParametersInput{NextToken: aws.String("AAAA")})
				refused(t, err, "InvalidNextToken", "")
			},
			moto: func(t *testing.T, e *env) { // breaks: a token is an offset
				_, err := e.ssm.DescribeParameters(background(), &ssm.DescribeParametersInput{NextToken: aws.String("AAAA")})
				equal(t, "status", status(err), 500)
			},
		},
	}
}
