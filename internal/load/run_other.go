//go:build !linux

package load

import "context"

// Run answers ErrUnsupported.
func Run(context.Context, Config) (*Report, error) { return nil, ErrUnsupported }
