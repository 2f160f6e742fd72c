package subscribe

import (
	"net/url"
	"strconv"
	"time"

	"feedd/internal/problem"
	"feedd/internal/units"
)

// duration reads a parameter that is a duration, at most most.
func duration(query url.Values, name string, most time.Duration) (time.Duration, error) {
	v := query.Get(name)
	if v == "" {
		return 0, nil
	}
	d, err := units.ParseDuration(v)
	if err != nil || time.Duration(d) > most {
		return 0, problem.BadQuery.With("%s is a duration of at most %s, not %q", name, most, v)
	}
	return time.Duration(d), nil
}

// Number reads a parameter that is a whole number.
func Number(query url.Values, name string, least, most, otherwise int) (int, error) {
	v := query.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, problem.BadQuery.With("%s is a number from %d to %d, not %q", name, least, most, v)
	}
	return n, nil
}

// flag reads a parameter that is true or false.
func flag(query url.Values, name string) (bool, error) {
	switch v := query.Get(name); v {
	case "":
		return false, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	default:
		return false, problem.BadQuery.With("%s is true or false, not %q", name, v)
	}
}
