// Package api is feedd's HTTP interface: routes, negotiation, access, and the
// one path that serves every transport. Items and promises are package
// stream's, bytes are package wire's, and who may do what is package auth's.
//
// A handler returns an error; the one table of package problem turns it into an
// answer of type application/problem+json (RFC 9457).
package api
