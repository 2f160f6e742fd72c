// Package measure is what the programs below bench have in common: how they begin
// and end, the processes that they start, what the machine does meanwhile, and how
// figures are written.
package measure
