package api_test

import (
	"testing"

	"feedd/internal/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }
