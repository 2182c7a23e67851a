// Package lambdatest runs a real Lambda function, the `bootstrap` binary that would be deployed, on this machine: events in, results out.
//
// [Build] makes the binary. [Start] runs it against a Lambda Runtime API of our own on a loopback port, which needs nothing but Go. The result
// of an event is a payload, or a [FunctionError] with the type and message that Lambda would report. The same binaries run under AWS's own
// runtime emulator in the `sam local invoke` tests of internal/e2e.
//
// The Runtime API is version 2018-06-01 as documented in
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html (read 2026-11-22). One invocation runs at a time, as in one Lambda
// execution environment. After a time-out or an exit the next invocation starts a new process, as Lambda does.
package lambdatest
