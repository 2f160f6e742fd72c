package readme_test

import (
	"testing"

	"feedd/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
