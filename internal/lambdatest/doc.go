// Package lambdatest runs a real Lambda function, the `bootstrap` binary that would be deployed, on this machine: events in, results out.
//
// [Build] makes the binary. [Start] runs it against a Lambda Runtime API of our own on a loopback port, which needs nothing but Go; an
// [Emulator] runs the same binary under AWS's runtime interface emulator, where that is installed. Both answer alike: a payload, or a
// [FunctionError] with the type and message that Lambda would report.
//
// The Runtime API is version 2018-06-01 as documented in
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html (read 2026-11-22). One invocation runs at a time, as in one Lambda
// execution environment. After a time-out or an exit the next invocation starts a new process, as Lambda does.
package lambdatest
