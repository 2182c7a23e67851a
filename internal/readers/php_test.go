package readers_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// php runs the PHP snippets in PHP's own web server: one process that answers many requests out of one APCu cache, as a pool of PHP-FPM
// does. Each call of a function is a request of its own.
//
// The AWS SDK for PHP comes from Composer's registry, which not every machine reaches. testdata/php/vendor/autoload.php stands in for it:
// the two clients with the SDK's constructor and the shape of its answers, over real HTTP requests to the same AWS API.
func php(t *testing.T) language {
	t.Helper()
	program := phpProgram(t)
	return language{
		once: func(w *world, connection string) ran {
			return servePHP(w, program, "access_token("+quoted(connection)+")", "access_token("+quoted(connection)+")")
		},
		rejected: func(w *world, connection string, stale bool) ran {
			refused := "access_token(" + quoted(connection) + ")"
			if stale {
				refused = "'the token of yesterday'"
			}
			return servePHP(w, program, "new_token("+quoted(connection)+", "+refused+")", "access_token("+quoted(connection)+")")
		},
	}
}

// phpProgram is the path of php, with the extensions that the snippets need.
func phpProgram(t *testing.T) string {
	t.Helper()
	program := find(t, "php", "Debian packages php-cli, php-apcu and php-curl")
	probe := &world{t: t, dir: t.TempDir()}
	for _, extension := range []string{"apcu", "curl"} {
		if got := probe.exec(os.Environ(), program, "-r", "exit(extension_loaded('"+extension+"') ? 0 : 1);"); !got.ok {
			t.Skipf("PHP has no %s (Debian package php-%s)", extension, extension)
		}
	}
	return program
}

func TestPHPKeepsATokenFor240Seconds(t *testing.T) {
	program, w := phpProgram(t), stored(t)
	got := servePHP(w, program, "access_token('hotmart/loja-a')", "[apcu_key_info('token of hotmart/loja-a')['ttl'], apcu_cache_info()['num_entries']]")
	if !got.ok || !strings.HasSuffix(got.out, ",[240,1]]") {
		t.Errorf("the cache should hold one entry for 240 seconds; %s", got.err)
	}
}

// servePHP starts the web server with the snippets, evaluates one expression in each of two requests, and prints both as a list.
func servePHP(w *world, program, first, second string) ran {
	w.t.Helper()
	vendor, err := filepath.Abs("testdata/php/vendor")
	must(w.t, err)
	if link := filepath.Join(w.dir, "vendor"); !exists(link) {
		must(w.t, os.Symlink(vendor, link))
	}
	w.put("token.php", snippet(w.t, "php read")+snippet(w.t, "php rejected"))
	for name, expression := range map[string]string{"first": first, "second": second} {
		w.put(name+".php", "<?php\nrequire 'token.php';\n"+
			"try { echo json_encode("+expression+"); } catch (Throwable $e) { http_response_code(500); echo $e->getMessage(); }\n")
	}
	base, stop := listenPHP(w, program)
	defer stop()
	var answers []string
	for _, page := range []string{"/first.php", "/second.php"} {
		status, text := fetch(w.t, base+page)
		if status != http.StatusOK {
			return ran{err: text}
		}
		answers = append(answers, text)
	}
	return ran{out: "[" + strings.Join(answers, ",") + "]", ok: true}
}

var phpListens = regexp.MustCompile(`Development Server \((http://[^)]+)\) started`)

// listenPHP starts PHP's web server on a free port and returns its address.
func listenPHP(w *world, program string) (base string, stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	cmd := exec.CommandContext(ctx, program, "-d", "display_errors=0", "-d", "error_reporting=E_ALL", "-S", "127.0.0.1:0")
	cmd.Dir, cmd.Env, cmd.WaitDelay = w.dir, w.environ(), time.Second
	lines, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	must(w.t, cmd.Start())
	stop = func() {
		cancel()
		_ = writer.Close()
		_ = cmd.Wait() // it was killed
	}
	found := make(chan string, 1)
	go func() {
		scanner := bufio.NewScanner(lines)
		for scanner.Scan() {
			if m := phpListens.FindStringSubmatch(scanner.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case base = <-found:
	case <-ctx.Done():
		stop()
		w.t.Fatal("PHP's web server did not say where it listens")
	}
	return base, stop
}

func fetch(t *testing.T, url string) (status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	must(t, err)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request) // no proxy: it is on loopback
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(raw)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
