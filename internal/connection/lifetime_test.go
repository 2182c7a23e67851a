package connection

import (
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
)

func TestHowLongATokenCountsAsValid(t *testing.T) {
	const hour = time.Hour
	for name, tc := range map[string]struct{ stated, byDefault, limit, want time.Duration }{
		"as the response states":                   {hour, 0, 0, hour},
		"the response before the catalogue":        {hour, 2 * hour, 0, hour},
		"the catalogue when it states none":        {0, 24 * hour, 0, 24 * hour},
		"55 minutes when nobody states one":        {0, 0, 0, 55 * time.Minute},
		"at most the limit":                        {24 * hour, 0, hour, hour},
		"the limit binds the catalogue's default":  {0, 24 * hour, hour, hour},
		"the limit binds the 55 minutes":           {0, 0, time.Minute, time.Minute},
		"exactly the limit":                        {hour, 0, hour, hour},
		"a limit that is longer":                   {hour, 0, hour + 1, hour},
		"a negative lifetime counts as not stated": {-1, 0, 0, 55 * time.Minute},
	} {
		c := Connection{Provider: provider.Provider{DefaultLifetime: tc.byDefault}, MaxLifetime: tc.limit}
		if got := c.Lifetime(tc.stated); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
