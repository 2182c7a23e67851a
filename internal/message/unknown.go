package message

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/provider"
)

// Unknown explains a connection that does not exist. here are the connections that exist, complete only if listed.
func Unknown(name, prefix, region string, here []string, listed bool) string {
	short := strings.TrimPrefix(name, prefix)
	text := fmt.Sprintf("no secret %q in %s", prefix+short, region)
	if !listed {
		return text
	}
	switch nearest := provider.Closest(short, here); {
	case strings.HasPrefix(name, prefix):
		return fmt.Sprintf("no connection %q: leave out %q, which every secret's name begins with", name, prefix)
	case connection.ValidID(name) != nil:
		return connection.ValidName(prefix, name).Error()
	case nearest != "":
		return fmt.Sprintf("%s; did you mean %q? %s", text, nearest, count(here))
	default:
		return fmt.Sprintf("%s %s. Is it in another region, or was it created without %q?", text, count(here), prefix)
	}
}

// count names up to five of the connections that exist.
func count(here []string) string {
	if len(here) == 0 {
		return "(no connections here)"
	}
	shown, more := slices.Sorted(slices.Values(here)), ""
	if len(shown) > 5 {
		shown, more = shown[:5], ", …"
	}
	return fmt.Sprintf("(%d connections here: %s%s)", len(here), strings.Join(shown, ", "), more)
}
