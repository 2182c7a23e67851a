package smsecret

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/store"
)

func TestVersionsWithoutAStageAreLeftOut(t *testing.T) {
	got := staged(map[string][]string{"v2": {"AWSCURRENT"}, "v1": {"AWSPREVIOUS", "BACKUP"}, "v0": {}, "v9": nil})
	want := map[string][]string{"v2": {"AWSCURRENT"}, "v1": {"AWSPREVIOUS", "BACKUP"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("staged = %v, want %v", got, want)
	}
}

func TestTheTagThatPauses(t *testing.T) {
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	tests := map[string]struct {
		tags    []types.Tag
		paused  bool
		unknown string
	}{
		"no tag":                       {nil, false, ""},
		"another tag":                  {[]types.Tag{tag("paused", "true")}, false, ""},
		"true":                         {[]types.Tag{tag("other", "x"), tag("chaveiro:paused", "true")}, true, ""},
		"True":                         {[]types.Tag{tag("chaveiro:paused", "True")}, true, ""},
		"TRUE":                         {[]types.Tag{tag("chaveiro:paused", "TRUE")}, true, ""},
		"false":                        {[]types.Tag{tag("chaveiro:paused", "false")}, false, ""},
		"False":                        {[]types.Tag{tag("chaveiro:paused", "False")}, false, ""},
		"yes is shown":                 {[]types.Tag{tag("chaveiro:paused", "yes")}, false, "yes"},
		"1 is shown":                   {[]types.Tag{tag("chaveiro:paused", "1")}, false, "1"},
		"a space behind true is shown": {[]types.Tag{tag("chaveiro:paused", "true ")}, false, "true "},
		"an empty value is shown":      {[]types.Tag{tag("chaveiro:paused", "")}, false, "(empty)"},
		"no value is shown":            {[]types.Tag{{Key: aws.String("chaveiro:paused")}}, false, "(empty)"},
		"another case of the key":      {[]types.Tag{tag("Chaveiro:Paused", "true")}, false, ""},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			if got, unknown := paused(tt.tags); got != tt.paused || unknown != tt.unknown {
				t.Errorf("paused = %v, %q; want %v, %q", got, unknown, tt.paused, tt.unknown)
			}
		})
	}
}

func TestAListingOfMoreThanThePrefixIsFiltered(t *testing.T) {
	s := over(t, responding(200, encoded(map[string]any{"SecretList": []map[string]any{
		{"Name": "oauth/a", "LastChangedDate": 1767322700}, {"Name": "OAuth/b"}, {"Name": "oauthx/c"}, {"Name": "x/oauth/d"},
		{"Name": "oauth/e", "DeletedDate": 1767322800},
		{"Name": "oauth/a", "LastChangedDate": 1767322800, "Tags": []map[string]string{{"Key": "chaveiro:paused", "Value": "maybe"}}},
	}})))
	var got []store.Secret
	err := s.List(t.Context(), func(page []store.Secret) { got = append(got, page...) })
	if err != nil || len(got) != 2 || got[0].Connection != "a" || got[1].Connection != "a" {
		t.Fatalf("List = %+v, %v; want a, twice", got, err)
	}
	if got[0].Changed.Unix() != 1767322700 || got[1].Changed.Unix() != 1767322800 || got[1].PausedTag != "maybe" {
		t.Errorf("List = %+v; the caller must be able to see which entry is newer", got)
	}
}

func TestAPageWithoutAnySecretOfOursIsNotReported(t *testing.T) {
	s := over(t, responding(200, encoded(map[string]any{"SecretList": []map[string]any{{"Name": "x/oauth/d"}}})))
	if err := s.List(t.Context(), func(page []store.Secret) { t.Errorf("page %v", page) }); err != nil {
		t.Error(err)
	}
}
