package conformance_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/awstest/conformance"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestFakeInProcess(t *testing.T) {
	conformance.Run(t, conformance.Backend{Config: new(awstest.World).Config(), Prefix: prefix(), Table: awstest.StateTable})
}

func TestFakeOnAPort(t *testing.T) {
	w := new(awstest.World)
	server, err := w.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	conformance.Run(t, conformance.Backend{Config: onPort(server.URL), Prefix: prefix(), Table: awstest.StateTable})
}

// TestMoto needs a moto_server, which "make test" starts: CHAVEIRO_MOTO_URL says where it is.
func TestMoto(t *testing.T) {
	url := os.Getenv("CHAVEIRO_MOTO_URL")
	if url == "" {
		t.Skip("CHAVEIRO_MOTO_URL is not set: moto is not compared with the fake in this run; make test starts one and sets it")
	}
	b := conformance.Backend{Config: onPort(url), Prefix: prefix(), Moto: true}
	b.Table = table(t, b.Config)
	conformance.Run(t, b)
}

// TestDynalite needs a dynalite, which "make test" starts: CHAVEIRO_DYNALITE_URL says where it is.
func TestDynalite(t *testing.T) {
	url := os.Getenv("CHAVEIRO_DYNALITE_URL")
	if url == "" {
		t.Skip("CHAVEIRO_DYNALITE_URL is not set: dynalite is not compared with the fake in this run; make test starts one, if there is Node, and sets it")
	}
	b := conformance.Backend{Config: onPort(url), Prefix: prefix(), Dynalite: true}
	b.Table = table(t, b.Config)
	conformance.RunTable(t, b)
}

func table(t *testing.T, cfg aws.Config) string {
	t.Helper()
	name, err := conformance.CreateTable(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func onPort(url string) aws.Config {
	cfg := new(awstest.World).Config()
	cfg.HTTPClient = &http.Client{Timeout: 30 * time.Second}
	cfg.BaseEndpoint = aws.String(url)
	return cfg
}

func prefix() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
