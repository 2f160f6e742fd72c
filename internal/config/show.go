package config

import (
	"fmt"

	"github.com/goccy/go-yaml"
)

// YAML returns the settings as a file that Load reads says them. The admin key
// is not among them.
func (c *Config) YAML() []byte {
	b, err := yaml.MarshalWithOptions(c, yaml.CustomMarshaler(func(r Rule) ([]byte, error) {
		return yaml.Marshal(struct {
			Match     string    `yaml:"match"`
			Retention Retention `yaml:"retention"`
			Read      Access    `yaml:"read,omitempty"`
			Publish   Access    `yaml:"publish,omitempty"`
		}{r.Match.String(), r.Retention, r.Read, r.Publish})
	}))
	if err != nil {
		panic(fmt.Sprintf("config: marshal: %v", err)) // numbers and text only
	}
	return b
}
